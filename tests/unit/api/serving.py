"""The API over real sockets."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from api.server import listen, serve
from tests.unit.api.support import Rig

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
SOON = 0.3


@asynccontextmanager
async def served(send_buffer: int | None = None) -> AsyncIterator[tuple[Rig, int]]:
    """A served API and its port; it ends in order when the block does."""
    rig, stop = Rig(), asyncio.Event()
    listener = listen("127.0.0.1", 0)
    if send_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    port = listener.getsockname()[1]
    serving = asyncio.create_task(serve(rig.app, listener, stop))
    try:
        yield rig, port
    finally:
        stop.set()
        await asyncio.wait_for(serving, 5)
        await rig.client.aclose()


class Client:
    """A connection with nothing between us and its bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def drain(self) -> None:
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body of the next answer."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)).decode()
        status, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await self.reader.readexactly(int(headers["content-length"]))
        is_json = headers["content-type"] == "application/json"
        return int(status.split()[1]), headers, json.loads(body) if is_json else body

    async def refusal(self) -> tuple[int, str]:
        """Status and code of an answer in our envelope."""
        status, headers, body = await self.answer()
        assert set(body) == {"error"}
        assert body["error"]["request_id"] == headers["x-request-id"]
        return status, body["error"]["code"]

    async def rest(self) -> bytes:
        """All that still comes until the server closes the connection."""
        with contextlib.suppress(ConnectionResetError):
            return await asyncio.wait_for(self.reader.read(), 10)
        return b""


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


async def is_well(port: int) -> bool:
    """Whether a newcomer is answered."""
    async with connected(port) as client:
        client.send(HEALTH)
        return (await client.answer())[0] == 200
