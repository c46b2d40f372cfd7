"""What is true of every answer: health, errors, request ids, the page about the API, the server."""

import asyncio
import re
import socket

import httpx
import pytest

from api.app import create_app, serve
from domain.errors import UsageUnavailableError, UserError
from tests.unit.api.support import WINDOW, Rig, told


@pytest.fixture
async def rig():
    rig = Rig()
    async with rig.client:
        yield rig


async def test_life_and_readiness(rig):
    assert (await rig.get("/healthz")).json() == {"status": "ok"}
    assert (await rig.get("/readyz")).json() == {"status": "ready"}

    rig.is_ready = False
    assert told(await rig.get("/readyz")) == (503, "not_ready")
    rig.usage.error = UsageUnavailableError("The database did not answer.")
    assert told(await rig.get("/readyz")) == (503, "usage_backend_unavailable")
    assert (await rig.get("/healthz")).status_code == 200


async def test_errors_nobody_asked_for_have_the_envelope_too(rig):
    assert told(await rig.get("/nowhere")) == (404, "not_found")
    assert told(await rig.get("/v1/usage/")) == (404, "not_found")
    answer = await rig.client.post("/v1/usage")
    assert told(answer) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET"


async def test_a_bug_is_500_without_a_word_of_it(rig, caplog):
    key = (await rig.keys.create("red-cross")).text
    rig.usage.error = RuntimeError("a secret")

    answer = await rig.get("/v1/usage", key, params=WINDOW, headers={"X-Request-ID": "req-1"})

    assert told(answer) == (500, "internal_error")
    assert "secret" not in answer.text
    assert "req-1" in caplog.text
    assert key not in caplog.text


async def test_a_sane_request_id_is_echoed_and_any_other_replaced(rig):
    assert (await rig.get("/healthz", headers={"X-Request-ID": "abc-1.2_3"})).headers["X-Request-ID"] == "abc-1.2_3"
    for odd in ("", "a b", "x" * 129, "<script>", "é"):
        answer = await rig.get("/healthz", headers={"X-Request-ID": odd.encode()})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


async def test_the_page_about_the_api_opens_without_the_internet(rig):
    page = await rig.get("/docs")

    assert page.headers["content-type"].startswith("text/html")
    assert "/v1/usage/all/by-tenant" in page.text
    assert "failed_cost_usd" in page.text
    assert "<script" not in page.text
    assert "://" not in page.text.replace("http://api", "")
    description = (await rig.get("/openapi.json")).json()
    assert set(description["paths"]) >= {"/v1/usage", "/healthz", "/readyz"}
    parameters = {given["name"]: given["required"] for given in description["paths"]["/v1/usage"]["get"]["parameters"]}
    assert parameters == {"from": True, "to": True}


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
async def server(free_port):
    """A served API: its port, and what stops it."""
    rig, stop = Rig(), asyncio.Event()
    serving = asyncio.create_task(serve(create_app(rig.usage, rig.keys, rig.ready), "127.0.0.1", free_port, stop))
    await until_answered(free_port, 200)
    yield free_port, stop, serving
    stop.set()
    await asyncio.wait_for(serving, 5)


async def says(port: int, request: bytes = REQUEST) -> int | None:
    """The status that the server answers to these bytes; None where nobody listens."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return None
    try:
        writer.write(request)
        return int((await asyncio.wait_for(reader.readline(), 10)).split()[1])
    finally:
        writer.close()


async def until_answered(port: int, status: int) -> None:
    async with asyncio.timeout(10):
        while await says(port) != status:  # noqa: ASYNC110 - as a client sees it, there is no event
            await asyncio.sleep(0.01)


async def test_the_server_answers_until_it_is_told_to_stop(server):
    port, stop, serving = server
    rig = Rig()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        with pytest.raises(UserError, match=f":{port}"):
            await serve(create_app(rig.usage, rig.keys, rig.ready), "127.0.0.1", port, stop)
        stop.set()
        await asyncio.wait_for(serving, 5)
        with pytest.raises(httpx.TransportError):
            await client.get("/healthz")


@pytest.mark.parametrize(
    "endless",
    [b"GET /" + b"a" * 400_000, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-Padding: 0123456789\r\n" * 20_000],
    ids=["request line", "headers"],
)
async def test_a_request_that_does_not_come_to_its_end_is_not_collected(server, endless):
    port, _, _ = server
    assert await says(port, endless) == 400
    assert await says(port) == 200


@pytest.fixture
def three_connections(monkeypatch):
    monkeypatch.setattr("api.app.MAX_CONNECTIONS", 3)


async def test_more_connections_than_are_good_for_us_are_told_so(three_connections, server):
    port, _, _ = server
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    assert await says(port) == 503
    for _, writer in idle:
        writer.close()
    await until_answered(port, 200)
