"""The read API over the real database: from a key and rows to an answer, and through an outage."""

import asyncio
import time
from urllib.parse import urlencode

import httpx
import pytest

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import is_current
from adapters.postgres.usage import PostgresUsageReader
from api.app import create_app
from tests.usage_support import llm_call, many_calls, migrated_database, mortal_postgres

WINDOW = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}


def client_of(engine) -> httpx.AsyncClient:
    app = create_app(PostgresUsageReader(engine), PostgresKeyStore(engine), lambda: is_current(engine))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api")


@pytest.fixture
async def engine(postgres):
    async with migrated_database(postgres.url) as (_, engine):
        yield engine


async def bearer(engine, tenant: str, **options) -> dict[str, str]:
    return {"Authorization": f"Bearer {(await PostgresKeyStore(engine).create(tenant, **options)).text}"}


async def test_from_rows_to_the_answers_of_all_three_questions(engine):
    await PostgresLLMCallSink(engine).write(
        [*many_calls(3, tenant_id="a"), llm_call(tenant_id="b", operation="translate", status="error", cost_usd=None)]
    )
    tenant, superuser = await bearer(engine, "a"), await bearer(engine, "hq", superuser=True)

    async with client_of(engine) as client:
        own = await client.get("/v1/usage", params=WINDOW, headers=tenant)
        by_tenant = await client.get("/v1/usage/all/by-tenant", params=WINDOW, headers=superuser)
        by_operation = await client.get("/v1/usage/all/by-operation", params=WINDOW, headers=superuser)
        nothing = await client.get("/v1/usage", params=WINDOW, headers=superuser)

    assert own.json()["llm_calls"]["cost_usd"] == "0.000375"
    assert own.json() | {"tenant_id": "a"} == by_tenant.json()[0]
    assert [(one["tenant_id"], one["llm_calls"]["total"]) for one in by_tenant.json()] == [
        ("a", 3),
        ("b", 1),
        (None, 4),
    ]
    failed = by_operation.json()[1]
    assert (failed["operation"], failed["invocations"]["failed"], failed["llm_calls"]["unpriced"]) == (
        "translate",
        1,
        1,
    )
    assert failed["llm_calls"]["duration_ms"]["avg"] is None
    assert nothing.json()["invocations"]["total"] == 0


async def test_a_revoked_key_opens_nothing_from_then_on(engine):
    store = PostgresKeyStore(engine)
    key = await store.create("a")
    headers = {"Authorization": f"Bearer {key.text}"}

    async with client_of(engine) as client:
        assert (await client.get("/v1/usage", params=WINDOW, headers=headers)).status_code == 200
        await store.revoke(key.prefix)
        assert (await client.get("/v1/usage", params=WINDOW, headers=headers)).status_code == 401


async def test_an_outage_is_503_within_seconds_and_mends_itself(services_mode, tmp_path):
    async with (
        mortal_postgres(services_mode, tmp_path) as postgres,
        migrated_database(postgres.url) as (_, engine),
        client_of(engine) as client,
    ):
        headers = await bearer(engine, "a")
        assert (await client.get("/readyz")).status_code == 200
        await postgres.kill()
        began = time.monotonic()
        answers = await asyncio.gather(*(client.get("/v1/usage", params=WINDOW, headers=headers) for _ in range(20)))
        readiness = await client.get("/readyz")
        took = time.monotonic() - began
        await postgres.restart()
        after = await asyncio.gather(*(client.get("/v1/usage", params=WINDOW, headers=headers) for _ in range(20)))

    assert {answer.json()["error"]["code"] for answer in [*answers, readiness]} == {"usage_backend_unavailable"}
    assert {answer.status_code for answer in [*answers, readiness]} == {503}
    assert took < 12
    assert {answer.status_code for answer in after} == {200}


async def test_a_server_that_accepts_and_never_answers_is_503_too():
    async def silent(_reader, writer):
        await asyncio.sleep(60)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    engine = create_engine(DatabaseSettings(port=port, user="u", password="p", name="n", connect_timeout_seconds=0.5))
    try:
        async with client_of(engine) as client:
            answer = await client.get("/readyz")
    finally:
        server.close()
        await engine.dispose()

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "usage_backend_unavailable")


async def test_a_database_without_our_schema_is_not_ready(fresh_database):
    engine = create_engine(DatabaseSettings(url=fresh_database))
    async with client_of(engine) as client:
        answer = await client.get(f"/readyz?{urlencode(WINDOW)}")
    await engine.dispose()

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
