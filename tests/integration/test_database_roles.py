"""The roles of migrations 0002 to 0004 on a real PostgreSQL: enough for each process, and not a statement more."""

import asyncio
import logging
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import httpx
import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.agreement import PostgresAgreementReader
from adapters.postgres.codings import PostgresCodingSink, PostgresCorrectionSink
from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.fitness import ensure_usable
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import alembic_config, is_current, migrate
from adapters.postgres.past_codings import PostgresPastCodings
from adapters.postgres.rights import (
    KEEPING_KEYS,
    READING_AGREEMENT,
    READING_PAST_CODINGS,
    READING_USAGE,
    STORING_CALLS,
    STORING_CODINGS,
)
from adapters.postgres.usage.exact import PostgresUsageReader
from api.app import create_app
from domain.errors import UserError
from tests.codings_support import TENANT, a_coding, a_correction
from tests.integration.system_support import eventually
from tests.integration.tls_front import with_netloc
from tests.services import new_database
from tests.usage_support import llm_call, migrated_database, mortal_postgres

WINDOW = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
NOBODYS = UUID(int=7)
GIVEN = (
    {**READING_USAGE, **READING_AGREEMENT},
    {**STORING_CALLS, **STORING_CODINGS},
    KEEPING_KEYS,
    READING_PAST_CODINGS,
)
ROLES = ("feedback_api", "feedback_consumer", "feedback_keys", "feedback_worker")
WRITES = {
    "llm_calls": (
        "INSERT INTO llm_calls (tenant_id) VALUES ('t')",
        "UPDATE llm_calls SET cost_usd = 0",
        "DELETE FROM llm_calls",
        "TRUNCATE llm_calls",
        "ALTER TABLE llm_calls DROP COLUMN cost_usd",
        "DROP TABLE llm_calls",
        "DO 'BEGIN LOCK TABLE llm_calls IN ACCESS EXCLUSIVE MODE; END'",
    ),
    "codings": (
        "INSERT INTO codings (tenant_id) VALUES ('t')",
        "INSERT INTO corrections (tenant_id) VALUES ('t')",
        "UPDATE codings SET code_ids = '{}'",
        "UPDATE corrections SET code_ids = '{}'",
        "DELETE FROM codings",
        "DELETE FROM corrections",
        "TRUNCATE codings, corrections",
        "DROP TABLE corrections",
    ),
    "api_keys": (
        "INSERT INTO api_keys (prefix, sha256, tenant_id, superuser) VALUES ('p', '', 't', true)",
        "UPDATE api_keys SET superuser = true",
        "UPDATE api_keys SET revoked_at = NULL",
        "DELETE FROM api_keys",
        "TRUNCATE api_keys",
        "DROP TABLE api_keys",
    ),
    "the rest": (
        "UPDATE alembic_version SET version_num = '0'",
        "CREATE TABLE mine (n int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "GRANT feedback_keys TO CURRENT_USER",
        "COPY llm_calls TO PROGRAM 'true'",
    ),
}


@asynccontextmanager
async def login(owner: AsyncEngine, url: str, role: str | None, options: str = "") -> AsyncIterator[DatabaseSettings]:
    """A user who may log in and is a member of the role, as docs/security.md makes one."""
    name, password = f"u_{secrets.token_hex(4)}", secrets.token_hex(16)
    async with owner.begin() as connection:
        await connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' {options}"))
        if role:
            await connection.execute(text(f"GRANT {role} TO {name}"))
    try:
        yield DatabaseSettings(url=with_netloc(url, user=name, password=password))
    finally:
        async with owner.begin() as connection:
            await connection.execute(text(f"DROP OWNED BY {name} CASCADE"))
            await connection.execute(text(f"DROP ROLE {name}"))


@asynccontextmanager
async def engine_of(settings: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings)
    try:
        yield engine
    finally:
        await engine.dispose()


async def assert_refused(settings: DatabaseSettings, *statements: str) -> None:
    connection = await asyncpg.connect(settings.url)
    try:
        for statement in statements:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
async def database(postgres) -> AsyncIterator[tuple[str, AsyncEngine]]:
    async with migrated_database(postgres.url) as (settings, owner):
        yield settings.url, owner


async def test_the_api_answers_and_cannot_write(database):
    url, owner = database
    await PostgresLLMCallSink(owner).write([llm_call(tenant_id="a")])
    key = await PostgresKeyStore(owner).create("a", superuser=True)
    async with login(owner, url, "feedback_api") as settings, engine_of(settings) as engine:
        await ensure_usable(settings, engine, {**READING_USAGE, **READING_AGREEMENT})
        app = create_app(
            PostgresUsageReader(engine),
            PostgresKeyStore(engine),
            lambda: is_current(engine),
            agreement_reader=PostgresAgreementReader(engine),
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            headers = {"Authorization": f"Bearer {key.text}"}
            for path in ("/readyz", "/v1/usage", "/v1/usage/all/by-tenant", "/v1/usage/all/by-operation"):
                assert (await client.get(path, params=WINDOW, headers=headers)).status_code == 200, path
            asked = WINDOW | {"framework_id": "community-feedback"}
            assert (await client.get("/v1/agreement", params=asked, headers=headers)).status_code == 200
        await assert_refused(settings, *(statement for group in WRITES.values() for statement in group))


async def test_the_consumer_stores_and_reads_no_keys_and_no_calls(database):
    url, owner = database
    async with login(owner, url, "feedback_consumer") as settings, engine_of(settings) as engine:
        await ensure_usable(settings, engine, {**STORING_CALLS, **STORING_CODINGS})
        for _ in range(2):
            await PostgresCodingSink(engine).write([a_coding("r-1", "a", result_id=NOBODYS)])
            await PostgresCorrectionSink(engine).write([a_correction("r-1", "a", event_id=NOBODYS)])
        call = llm_call()
        assert (await PostgresLLMCallSink(engine).write([call])).inserted == 1
        assert (await PostgresLLMCallSink(engine).write([call])).inserted == 0
        reads = ("SELECT * FROM api_keys", "SELECT tenant_id FROM llm_calls", "SELECT code_ids FROM codings")
        reads += ("SELECT code_ids FROM corrections",)
        await assert_refused(
            settings, *reads, *WRITES["llm_calls"][1:], *WRITES["codings"][2:], *WRITES["api_keys"], *WRITES["the rest"]
        )


async def test_who_keeps_keys_makes_lists_and_revokes_them_and_no_more(database, feedback_says):
    url, owner = database
    async with login(owner, url, "feedback_keys") as settings, engine_of(settings) as engine:
        await ensure_usable(settings, engine, KEEPING_KEYS)
        made = await asyncio.to_thread(feedback_says, "keys", "create", "--tenant", "t", DATABASE_URL=settings.url)
        assert made.code == 0, made
        prefix = made.out.split("_")[1]
        assert prefix in (await asyncio.to_thread(feedback_says, "keys", "list", DATABASE_URL=settings.url)).out
        revoked = await asyncio.to_thread(feedback_says, "keys", "revoke", prefix, DATABASE_URL=settings.url)
        assert revoked.code == 0, revoked
        change = "UPDATE api_keys SET superuser = true"
        others = ("SELECT * FROM codings", "SELECT * FROM corrections", *WRITES["codings"])
        others += (
            "SELECT * FROM llm_calls",
            "DELETE FROM api_keys",
            "TRUNCATE api_keys",
            "DROP TABLE api_keys",
            change,
        )
        await assert_refused(settings, *others, *WRITES["llm_calls"], *WRITES["the rest"][:-2])


async def test_a_worker_reads_which_codes_records_have_and_nothing_else(database):
    url, owner = database
    await PostgresCodingSink(owner).write([a_coding("of-a-worker", "a")])
    async with login(owner, url, "feedback_worker") as settings, engine_of(settings) as engine:
        await ensure_usable(settings, engine, READING_PAST_CODINGS)
        found = await PostgresPastCodings(engine).codes_of(TENANT, ["of-a-worker"])
        assert [code.code_id for code in found["of-a-worker"]] == ["a"]
        reads = ("SELECT model FROM codings", "SELECT * FROM corrections", "SELECT call_id FROM llm_calls")
        reads += ("SELECT prefix FROM api_keys", "SELECT record_id FROM codings FOR UPDATE")
        await assert_refused(settings, *reads, *(statement for group in WRITES.values() for statement in group))
    async with login(owner, url, "feedback_consumer") as settings, engine_of(settings) as engine:
        with pytest.raises(UserError, match="no right to SELECT") as caught:
            await ensure_usable(settings, engine, READING_PAST_CODINGS)
        grant = "GRANT SELECT (tenant_id), SELECT (record_id), SELECT (code_ids), SELECT (abstained)"
        assert grant in caught.value.remedy


async def roles_of(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT rolname FROM pg_roles WHERE rolname LIKE 'feedback\\_%'"))
        return set(found.scalars())


def downgrade_to(revision: str):
    def work(connection):
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)

    return work


async def test_databases_of_one_server_share_the_roles(postgres):
    async with (
        migrated_database(postgres.url) as (_, first),
        migrated_database(postgres.url) as (settings, second),
        login(second, settings.url or "", "feedback_consumer") as member,
    ):
        async with first.begin() as connection:
            await connection.run_sync(downgrade_to("0001"))
        assert await roles_of(first) >= set(ROLES)  # the other database grants them something still
        async with engine_of(member) as consumer:
            await ensure_usable(member, consumer, STORING_CALLS)
        async with second.begin() as connection:
            await connection.run_sync(downgrade_to("0001"))
        assert "feedback_consumer" in await roles_of(second)  # it has a member
        async with engine_of(member) as consumer:
            with pytest.raises(UserError, match=r"does not have the schema|may not read"):
                await ensure_usable(member, consumer, STORING_CALLS)


async def test_roles_that_another_migration_makes_at_the_same_moment_are_found(fresh_server):
    async with new_database(fresh_server.url) as url, engine_of(DatabaseSettings(url=url)) as engine:
        async with engine.begin() as connection:  # nor need the tables be in the schema that everybody may use
            await connection.execute(text('CREATE SCHEMA "of our own"'))
            await connection.execute(text(f'ALTER DATABASE {url.rpartition("/")[2]} SET search_path = "of our own"'))
        await engine.dispose()
        other = await asyncpg.connect(fresh_server.url)
        try:
            transaction = other.transaction()
            await transaction.start()
            await other.execute("CREATE ROLE feedback_api NOLOGIN")
            migrating = asyncio.create_task(migrate(DatabaseSettings(url=url)))
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            await eventually(lambda: _is_one(other, waiting))
            await transaction.commit()
            assert (await migrating).after == "0004"
        finally:
            await other.close()
        async with login(engine, url, "feedback_api") as settings, engine_of(settings) as reader:
            await ensure_usable(settings, reader, READING_USAGE)
        async with engine.begin() as connection:
            await connection.run_sync(downgrade_to("base"))
        assert await roles_of(engine) == set()  # nobody else needs them


async def _is_one(connection, query: str) -> bool:
    return await connection.fetchval(query) == 1


async def test_a_user_who_may_not_create_roles_migrates_and_is_told_what_an_administrator_runs(fresh_server, caplog):
    async with (
        new_database(fresh_server.url) as url,
        engine_of(DatabaseSettings(url=url)) as admin,
        login(admin, url, None) as owner,
    ):
        name = re.search("//(.*?):", owner.url)[1]
        async with admin.begin() as connection:
            await connection.execute(text(f"GRANT ALL ON SCHEMA public TO {name}"))
        with caplog.at_level(logging.WARNING):
            report = await migrate(owner)
        assert report.after == "0004"
        assert await roles_of(admin) == set()
        notices = [record.getMessage() for record in caplog.records if record.name == "migrations"]
        assert len(notices) == 3
        assert "\n" not in "".join(notices)
        async with engine_of(owner) as engine:
            await ensure_usable(owner, engine, {**STORING_CALLS, **READING_USAGE, **READING_AGREEMENT})
        connection = await asyncpg.connect(url)
        try:
            for notice in notices:
                await connection.execute(re.search("in this database.*?: (.*)", notice)[1])
        finally:
            await connection.close()
        for role, rights in zip(ROLES, GIVEN, strict=True):
            async with login(admin, url, role) as settings, engine_of(settings) as engine:
                await ensure_usable(settings, engine, rights)
        # Once they are there, the tables' owner grants them in the next database without an administrator.
        async with engine_of(owner) as engine, engine.begin() as connection:
            await connection.run_sync(downgrade_to("0001"))
        assert await roles_of(admin) == set(ROLES)
        caplog.clear()
        await migrate(owner)
        assert not [record for record in caplog.records if record.name == "migrations"]


@pytest.fixture
async def fresh_server(services_mode, tmp_path):
    """A server of its own: nobody has made the roles there."""
    async with mortal_postgres(services_mode, tmp_path) as server:
        yield server
