"""The server as strangers meet it, over real sockets: those who are slow, who are many, and who talk rubbish."""

import asyncio
import contextlib
import socket

import pytest

from api.connections import Connection
from api.server import listen
from domain.errors import UserError
from tests.unit.api.serving import HEALTH, SOON, Client, connected, is_well, served


@pytest.fixture(scope="module")
async def lasting():
    """The same for all tests that leave it as it was: the server, and a key."""
    async with served() as (rig, port):
        yield port, (await rig.keys.create("red-cross")).text


async def test_the_server_answers_until_it_is_told_to_stop():
    async with served() as (_, port), connected(port) as idle:
        assert await is_well(port)
        with pytest.raises(UserError, match=f":{port}"):
            listen("127.0.0.1", port)
        idle.send(b"GET /heal")
    assert await idle.rest() == b""
    with pytest.raises(OSError, match=r"refused|failed"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_who_connects_and_says_nothing_is_let_go(impatient, port):
    async with connected(port) as client:
        assert await client.rest() == b""


async def test_a_head_that_does_not_come_to_its_end_is_told_so(impatient, port):
    async with connected(port) as client:
        client.send(HEALTH[:-2])
        assert await client.refusal() == (408, "request_timeout")
        assert await client.rest() == b""


async def test_a_head_that_comes_byte_by_byte_is_ended_all_the_same(impatient, port):
    async def dribble(client: Client) -> None:
        while True:
            client.send(b"a")
            await asyncio.sleep(SOON / 20)

    async with connected(port) as client:
        client.send(b"GET /")
        dribbling = asyncio.create_task(dribble(client))
        try:
            assert await client.refusal() == (408, "request_timeout")
        finally:
            dribbling.cancel()


async def test_what_a_client_is_told_reaches_it_though_it_goes_on_sending(port):
    async with connected(port) as client:
        client.send(b"x" * 2**24)  # far more than the server reads at a time
        await client.drain()
        assert await client.refusal() == (400, "bad_request")


async def test_so_is_the_second_request_of_a_connection(impatient, port):
    async with connected(port) as client:
        client.send(HEALTH + HEALTH[:10])
        assert (await client.answer())[0] == 200
        assert await client.refusal() == (408, "request_timeout")


async def test_a_body_that_does_not_come_keeps_no_connection(impatient, port):
    async with connected(port) as client:
        client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
        assert (await client.answer())[0] == 200
        assert await client.rest() == b""


async def test_an_answer_that_takes_longer_than_a_request_may_is_given(impatient, monkeypatch):
    late, lose_patience = asyncio.Event(), Connection._lose_patience

    def noted(connection: Connection) -> None:
        lose_patience(connection)
        late.set()

    monkeypatch.setattr(Connection, "_lose_patience", noted)
    async with served() as (rig, port), connected(port) as client:

        async def slow() -> bool:
            await late.wait()
            return True

        rig.app.state.ready = slow
        client.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
        assert (await client.answer())[0] == 200
        client.send(b"x" + HEALTH)
        assert await client.rest() == b""  # the body was too late


async def test_idle_connections_cost_nobody_an_answer(monkeypatch, port):
    monkeypatch.setattr("api.connections.MAX_CONNECTIONS", 10)
    async with contextlib.AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(connected(port)) for _ in range(10)]
        for one in idle[::2]:
            one.send(b"GET / HTTP/1.1\r\n")
        for _ in range(5):
            assert await is_well(port)
        assert await idle[0].rest() == b""  # the one that had waited longest made room
        idle[-1].send(HEALTH)
        assert (await idle[-1].answer())[0] == 200


async def test_who_does_not_read_what_is_answered_is_let_go(monkeypatch, port):
    monkeypatch.setattr("api.connections.UNREAD_SECONDS", SOON)
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))

        async def ask_without_end() -> None:
            while True:
                await loop.sock_sendall(client, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(ask_without_end(), 20)
    assert await is_well(port)


USAGE = "/v1/usage?from=2026-11-01T00:00:00Z&to="
KEY = "Authorization: Bearer {key}\r\n"


@pytest.mark.parametrize(
    ("request_line", "headers", "expected"),
    [
        ("GET /nowhere", "", (404, "not_found")),
        ("GET /%00", "", (404, "not_found")),
        ("GET /%zz%", "", (404, "not_found")),
        ("GET /%ff%fe", "", (404, "not_found")),
        ("GET /../../etc/passwd", "", (404, "not_found")),
        ("GET //", "", (404, "not_found")),
        ("OPTIONS *", "", (404, "not_found")),
        ("CONNECT x:443", "", (404, "not_found")),
        ("POST /v1/usage", "Content-Length: 0\r\n", (405, "method_not_allowed")),
        ("DELETE /healthz", "", (405, "method_not_allowed")),
        ("DANCE /v1/usage", "", (405, "method_not_allowed")),
        (f"GET {USAGE}%00", KEY, (422, "invalid_timestamp")),
        (f"GET {USAGE}%zz%", KEY, (422, "invalid_timestamp")),
        (f"GET {USAGE}%ff", KEY, (422, "invalid_timestamp")),
        (f"GET {USAGE}%ED%A0%80", KEY, (422, "invalid_timestamp")),
        (f"GET {USAGE}&&&=&to&%00=%00", KEY, (422, "unknown_parameter")),
        ("GET /v1/usage?%00", KEY, (422, "unknown_parameter")),
        (f"GET {USAGE}1", "Authorization: Bearer fbk_\xff\xfe_\xe9\r\n", (401, "invalid_key")),
        (f"GET {USAGE}1", "Authorization: " + "Bearer " * 500 + "\r\n", (401, "invalid_key")),
        ("GET /v1/usage", "Upgrade: websocket\r\nConnection: Upgrade\r\n", (401, "missing_key")),
        ("GET /" + "a" * 60_000, "", (431, "head_too_large")),
        ("GET /", f"X-Padding: {'a' * 60_000}\r\n", (431, "head_too_large")),
        ("GET /", "X-Padding: b\r\n" * 4_000, (431, "head_too_large")),
    ],
)
async def test_rubbish_is_answered_in_the_one_envelope(lasting, request_line, headers, expected):
    port, key = lasting
    async with connected(port) as client:
        head = f"{request_line} HTTP/1.1\r\nHost: x\r\n{headers.format(key=key)}\r\n"
        client.send(head.encode("latin-1"))
        assert await client.refusal() == expected


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/one\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /" + b"a" * 20_000,
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-Padding: 0123456789\r\n" * 1_000,
    ],
    ids=[
        "TLS",
        "no host",
        "NUL",
        "space",
        "not ASCII",
        "version",
        "header",
        "length",
        "endless line",
        "endless headers",
    ],
)
async def test_what_is_no_http_is_answered_and_not_collected(lasting, rubbish):
    port, _ = lasting
    async with connected(port) as client:
        client.send(rubbish)
        assert await client.refusal() == (400, "bad_request")
    assert await is_well(port)


async def test_rubbish_behind_a_request_that_is_being_answered_ends_the_connection(caplog):
    async with served() as (rig, port), connected(port) as client:
        asked, answer = asyncio.Event(), asyncio.Event()

        async def slow() -> bool:
            asked.set()
            await answer.wait()
            return True

        rig.app.state.ready = slow
        client.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await asked.wait()
        client.send(b"not a chunk\r\n")
        assert await client.refusal() == (400, "bad_request")
        answer.set()
        assert await client.rest() == b""
        assert await is_well(port)
    assert "Exception" not in caplog.text
