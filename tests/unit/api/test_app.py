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


async def test_the_server_answers_until_it_is_told_to_stop(free_port):
    rig, stop = Rig(), asyncio.Event()
    serving = asyncio.create_task(serve(create_app(rig.usage, rig.keys, rig.ready), "127.0.0.1", free_port, stop))

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port}") as client:
        async with asyncio.timeout(10):
            while True:
                try:
                    answer = await client.get("/healthz")
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.01)
        assert answer.json() == {"status": "ok"}
        with pytest.raises(UserError, match=f":{free_port}"):
            await serve(create_app(rig.usage, rig.keys, rig.ready), "127.0.0.1", free_port, stop)
        stop.set()
        await asyncio.wait_for(serving, 5)
        with pytest.raises(httpx.TransportError):
            await client.get("/healthz")
