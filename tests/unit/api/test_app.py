"""What is true of every answer: health, errors, request ids, limits, the page about the API."""

import asyncio
import re

import pytest

from domain.errors import UsageUnavailableError
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
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert "/v1/usage/all/by-tenant" in page.text
    assert "failed_cost_usd" in page.text
    assert "<script" not in page.text
    assert "://" not in page.text.replace("http://api", "")
    description = (await rig.get("/openapi.json")).json()
    assert set(description["paths"]) >= {"/v1/usage", "/healthz", "/readyz"}
    parameters = {given["name"]: given["required"] for given in description["paths"]["/v1/usage"]["get"]["parameters"]}
    assert parameters == {"from": True, "to": True}
    for path in ("/v1/usage", "/v1/usage/all/by-tenant", "/v1/usage/all/by-operation"):
        answers = description["paths"][path]["get"]["responses"]
        assert set(answers) - {"403"} == {"200", "401", "408", "422", "429", "431", "503"}
        assert "overloaded" in answers["503"]["description"]
        assert "rate_limited" in answers["429"]["description"]
        assert "head_too_large" in answers["431"]["description"]


async def test_too_many_requests_at_once_are_told_so_and_the_process_still_shows_life(rig, monkeypatch):
    monkeypatch.setattr("api.limits.MAX_REQUESTS", 2)
    asked, answer = asyncio.Semaphore(0), asyncio.Event()

    async def slow() -> bool:
        asked.release()
        await answer.wait()
        return True

    rig.app.state.ready = slow
    under_way = [asyncio.create_task(rig.get("/readyz")) for _ in range(2)]
    for _ in under_way:
        await asked.acquire()
    refused = await rig.get("/openapi.json")
    assert told(refused) == (503, "overloaded")
    assert int(refused.headers["Retry-After"]) > 0
    assert (await rig.get("/healthz")).status_code == 200
    answer.set()
    assert [(await one).status_code for one in under_way] == [200, 200]
    assert (await rig.get("/openapi.json")).status_code == 200


async def test_a_head_that_is_too_large_is_told_so(rig):
    assert told(await rig.get("/v1/usage?from=" + "a" * 20_000)) == (431, "head_too_large")
    assert told(await rig.get("/" + "a" * 20_000)) == (431, "head_too_large")
    assert told(await rig.get("/readyz", headers={"Cookie": "a" * 20_000})) == (431, "head_too_large")
    assert told(await rig.get("/" + "a" * 15_000)) == (404, "not_found")
