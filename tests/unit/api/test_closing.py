"""Connections that end with an answer that nobody reads."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import Response

from tests.unit.api.serving import HEALTH, SOON, connected, served


@asynccontextmanager
async def deaf(port: int, request: bytes) -> AsyncIterator[socket.socket]:
    """A client that asks, and reads nothing."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, request)
        yield client


async def talk_on(client: socket.socket) -> None:
    """Until the server, which takes no more, says so."""
    while True:
        await asyncio.get_running_loop().sock_sendall(client, b"a" * 1000)
        await asyncio.sleep(SOON / 20)


def is_cut(client: socket.socket) -> bool:
    """Whether the server has let go of the connection."""
    try:
        client.send(b"a")
        client.send(b"a")  # the first is answered with a reset
    except ConnectionError:
        return True
    return False


@pytest.fixture
async def narrow() -> AsyncIterator[tuple[int, asyncio.Semaphore]]:
    """A server whose answers to the deaf stay unsent, its port, and a semaphore of answers that it made."""
    made = asyncio.Semaphore(0)
    async with served(send_buffer=4608) as (rig, port):

        async def answer(*_: object) -> Response:
            made.release()
            return Response(b"a" * 60_000)

        rig.app.add_route("/large", answer)
        yield port, made


LARGE = b"GET /large HTTP/1.1\r\nHost: x\r\n"
ENDS = {
    "as asked": LARGE + b"Connection: close\r\n\r\n",
    "rubbish": LARGE + b"\r\n" + b"\0\r\n\r\n",
    "no body": LARGE + b"Content-Length: 9\r\n\r\n",
    "late": LARGE + b"\r\nGET /",
}


@pytest.mark.parametrize("request_bytes", ENDS.values(), ids=ENDS)
async def test_however_a_connection_ends_what_lies_unread_does_not_keep_it(
    impatient, monkeypatch, narrow, request_bytes
):
    monkeypatch.setattr("api.connections.UNREAD_SECONDS", SOON)
    port, made = narrow
    async with deaf(port, request_bytes) as client:
        await made.acquire()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(talk_on(client), 10)


async def test_connections_that_are_closing_count_and_give_way_first(monkeypatch, narrow):
    monkeypatch.setattr("api.connections.MAX_CONNECTIONS", 4)
    port, made = narrow
    async with connected(port) as idle, contextlib.AsyncExitStack() as stack:
        idle.send(HEALTH)
        assert (await idle.answer())[0] == 200  # is the one that waits longest
        closing = [await stack.enter_async_context(deaf(port, ENDS["as asked"])) for _ in range(3)]
        for _ in closing:
            await made.acquire()
        newcomer = await stack.enter_async_context(connected(port))
        newcomer.send(HEALTH)
        assert (await newcomer.answer())[0] == 200
        idle.send(HEALTH)
        assert (await idle.answer())[0] == 200
        assert sorted(map(is_cut, closing)) == [False, False, True]
