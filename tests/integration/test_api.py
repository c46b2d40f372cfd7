"""The read API over the real database: from a key and rows to an answer, and through an outage."""

import asyncio
import secrets
import signal
import time
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx
import pytest

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import is_current
from adapters.postgres.usage.reader import PostgresUsageAnswers
from api.app import create_app
from runtime.embedded import ports
from schemas.topics import LLM_CALLS
from tests.integration.system_support import eventually, feedback, publishing, until_members, until_ready
from tests.usage_support import llm_call, many_calls, migrated_database, mortal_postgres

WINDOW = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}


def client_of(engine) -> httpx.AsyncClient:
    app = create_app(PostgresUsageAnswers(engine), PostgresKeyStore(engine), lambda: is_current(engine))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api")


@pytest.fixture
async def database(postgres):
    """The address of a database with our schema, and an engine on it."""
    async with migrated_database(postgres.url) as (settings, engine):
        yield settings.url, engine


@pytest.fixture
def engine(database):
    return database[1]


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


def _other(url: str, **parts: str) -> str:
    """The address of a database with another password or another name."""
    given = urlsplit(url)
    password = parts.get("password", given.password)
    netloc = f"{given.username}:{password}@{given.hostname}:{given.port}"
    return urlunsplit(given._replace(netloc=netloc, path=parts.get("path", given.path)))


@pytest.mark.parametrize("command", ["api", "consumer", "roller"])
def test_a_database_that_cannot_be_used_as_it_is_set_is_told_in_a_sentence(feedback_says, kafka, postgres, command):
    settings = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "API_PORT": ports.choose(set())}
    wrong = feedback_says(command, DATABASE_URL=_other(postgres.url, password="not-the-one"), **settings)
    wrong.assert_one_sentence("refused the user name or the password", "DATABASE_PASSWORD")
    assert "not-the-one" not in wrong.out + wrong.err
    unknown = feedback_says(command, DATABASE_URL=_other(postgres.url, path="/nowhere"), **settings)
    unknown.assert_one_sentence("no database named nowhere", "DATABASE_URL")


@pytest.mark.parametrize(
    "command", [("api",), ("consumer",), ("roller",), ("keys", "list"), ("keys", "create", "--tenant", "a")]
)
def test_a_database_without_our_schema_is_told_in_a_sentence(feedback_says, kafka, fresh_database, command):
    settings = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "API_PORT": ports.choose(set())}
    ended = feedback_says(*command, DATABASE_URL=fresh_database, **settings)
    ended.assert_one_sentence("does not have the schema of this release", "`feedback migrate`")


async def test_tables_that_we_may_not_read_are_told_in_a_sentence(database, feedback_says):
    user = f"reader_{secrets.token_hex(4)}"
    url, engine = database
    async with engine.begin() as connection:
        await connection.exec_driver_sql(f"CREATE ROLE {user} LOGIN PASSWORD 'x'")
    try:
        theirs = urlsplit(url)
        theirs = urlunsplit(theirs._replace(netloc=f"{user}:x@{theirs.hostname}:{theirs.port}"))
        ended = await asyncio.to_thread(feedback_says, "keys", "list", DATABASE_URL=theirs)
    finally:
        async with engine.begin() as connection:
            await connection.exec_driver_sql(f"DROP ROLE {user}")
    ended.assert_one_sentence("may not read the table alembic_version", "grant SELECT")


async def test_both_start_without_the_database_and_use_it_once_it_is_there(services_mode, system_kafka, tmp_path):
    port, group = ports.choose(set()), f"calls-{secrets.token_hex(4)}"
    async with (
        mortal_postgres(services_mode, tmp_path) as postgres,
        migrated_database(postgres.url) as (database, engine),
    ):
        environment = {
            "DATABASE_URL": database.url,
            "KAFKA_BOOTSTRAP_SERVERS": system_kafka,
            "API_PORT": port,
            "CONSUMER_GROUP": group,
        }
        await postgres.kill()
        async with (
            feedback("api", cwd=tmp_path, **environment) as api,
            feedback("consumer", cwd=tmp_path, **environment) as consumer,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
            publishing(system_kafka) as producer,
        ):
            for one in (api, consumer):
                await one.says("WARNING .* Started without it; it is used as soon as it answers")
            readiness = await client.get("/readyz")
            assert (readiness.status_code, readiness.json()["error"]["code"]) == (503, "usage_backend_unavailable")
            assert (await client.get("/healthz")).status_code == 200
            await until_members(system_kafka, group)
            call = llm_call()
            await producer.send_and_wait(LLM_CALLS.name, call.model_dump_json().encode(), key=b"k")

            await postgres.restart()
            await until_ready(f"http://127.0.0.1:{port}")
            headers = await bearer(engine, call.tenant_id)

            async def stored() -> bool:
                answer = await client.get("/v1/usage", params=WINDOW, headers=headers)
                return answer.json()["llm_calls"]["total"] == 1

            await eventually(stored)
            assert await asyncio.gather(api.ends(signal.SIGINT), consumer.ends(signal.SIGTERM)) == [0, 0]
            assert api.out == "Stopping: answers under way have 10 s to finish.\n"
            assert consumer.out == "Stopping: the batch under way has 20 s (DRAIN_SECONDS) to be stored.\n"
