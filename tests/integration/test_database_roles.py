"""The roles of migrations 0002 to 0005 on a real PostgreSQL: enough for each process, and not a statement more."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.agreement import PostgresAgreementReader
from adapters.postgres.codings import PostgresCodingSink, PostgresCorrectionSink
from adapters.postgres.dead_letter_counts import PostgresDeadLetterReader
from adapters.postgres.dead_letters import PostgresDeadLetterSink
from adapters.postgres.fitness import ensure_usable
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import is_current
from adapters.postgres.past_codings import PostgresPastCodings
from adapters.postgres.positions import PostgresPositionSink
from adapters.postgres.rights import (
    KEEPING_KEYS,
    READING_AGREEMENT,
    READING_DEAD_LETTERS,
    READING_PAST_CODINGS,
    READING_USAGE,
    ROLLING_USAGE,
    STORING_CALLS,
    STORING_CODINGS,
    STORING_DEAD_LETTERS,
)
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.postgres.usage.roller import PostgresUsageRoller
from api.app import create_app
from domain.errors import UserError
from domain.keys import Asker
from domain.usage.freshness import Position
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window
from tests.codings_support import TENANT, a_coding, a_correction
from tests.dead_letters_support import a_dead_letter_row
from tests.integration.roles_support import WRITES, assert_refused, engine_of, login
from tests.usage_support import NOON, llm_call, migrated_database

WINDOW = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
OF_THAT_DAY = UsageQuestion(Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12)), group_by=("tenant",))
NOBODYS = UUID(int=7)


@pytest.fixture(scope="module")
async def database(postgres) -> AsyncIterator[tuple[str, AsyncEngine]]:
    async with migrated_database(postgres.url) as (settings, owner):
        yield settings.url, owner


async def test_the_api_answers_and_cannot_write(database):
    url, owner = database
    await PostgresLLMCallSink(owner).write([llm_call(tenant_id="a")])
    key = await PostgresKeyStore(owner).create("a", superuser=True)
    async with login(owner, url, "feedback_api") as settings, engine_of(settings) as engine:
        await ensure_usable(settings, engine, {**READING_USAGE, **READING_AGREEMENT, **READING_DEAD_LETTERS})
        app = create_app(
            PostgresUsageAnswers(engine),
            PostgresKeyStore(engine),
            lambda: is_current(engine),
            agreement_reader=PostgresAgreementReader(engine),
            dead_letter_reader=PostgresDeadLetterReader(engine),
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            headers = {"Authorization": f"Bearer {key.text}"}
            for path in ("/readyz", "/v1/usage", "/v1/usage/all/by-tenant", "/v1/usage/all/by-operation"):
                assert (await client.get(path, params=WINDOW, headers=headers)).status_code == 200, path
            asked = WINDOW | {"framework_id": "community-feedback"}
            assert (await client.get("/v1/agreement", params=asked, headers=headers)).status_code == 200
            assert (await client.get("/v1/dead-letters", params=WINDOW, headers=headers)).status_code == 200
        answer = await PostgresUsageAnswers(engine).answer(OF_THAT_DAY, Asker("a"))
        assert answer.total.llm_calls.total >= 1
        await assert_refused(settings, *(statement for group in WRITES.values() for statement in group))


async def test_the_consumer_stores_and_reads_no_keys_and_no_calls(database):
    url, owner = database
    async with login(owner, url, "feedback_consumer") as settings, engine_of(settings) as engine:
        await ensure_usable(settings, engine, {**STORING_CALLS, **STORING_CODINGS, **STORING_DEAD_LETTERS})
        for _ in range(2):
            await PostgresCodingSink(engine).write([a_coding("r-1", "a", result_id=NOBODYS)])
            await PostgresCorrectionSink(engine).write([a_correction("r-1", "a", event_id=NOBODYS)])
            await PostgresDeadLetterSink(engine).write([a_dead_letter_row(dead_letter_id=NOBODYS)])
            await PostgresPositionSink(engine).write([Position("llm.calls", 0, 7, 9)])
        call = llm_call()
        assert (await PostgresLLMCallSink(engine).write([call])).inserted == 1
        assert (await PostgresLLMCallSink(engine).write([call])).inserted == 0
        reads = ("SELECT * FROM api_keys", "SELECT call_id FROM llm_calls", "SELECT code_ids FROM codings")
        reads += ("DELETE FROM consumer_positions", "SELECT reason FROM dead_letters", *WRITES["dead_letters"][1:])
        reads += ("SELECT code_ids FROM corrections", "SELECT * FROM usage_marks", "SELECT total FROM usage_daily")
        changes = (*WRITES["llm_calls"][1:], *WRITES["rollups"], *WRITES["codings"][2:], *WRITES["api_keys"])
        await assert_refused(settings, *reads, *changes, *WRITES["the rest"])


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
        others += ("SELECT reason FROM dead_letters", *WRITES["dead_letters"])
        others += (
            "SELECT * FROM llm_calls",
            "DELETE FROM api_keys",
            "TRUNCATE api_keys",
            "DROP TABLE api_keys",
            change,
        )
        await assert_refused(settings, *others, *WRITES["llm_calls"], *WRITES["rollups"], *WRITES["the rest"][:-2])


async def test_a_worker_reads_which_codes_records_have_and_nothing_else(database):
    url, owner = database
    await PostgresCodingSink(owner).write([a_coding("of-a-worker", "a")])
    async with login(owner, url, "feedback_worker") as settings, engine_of(settings) as engine:
        await ensure_usable(settings, engine, READING_PAST_CODINGS)
        found = await PostgresPastCodings(engine).codes_of(TENANT, ["of-a-worker"])
        assert [code.code_id for code in found["of-a-worker"]] == ["a"]
        reads = ("SELECT model FROM codings", "SELECT * FROM corrections", "SELECT call_id FROM llm_calls")
        reads += ("SELECT prefix FROM api_keys", "SELECT record_id FROM codings FOR UPDATE")
        reads += ("SELECT reason FROM dead_letters",)
        await assert_refused(settings, *reads, *(statement for group in WRITES.values() for statement in group))
    async with login(owner, url, "feedback_consumer") as settings, engine_of(settings) as engine:
        with pytest.raises(UserError, match="no right to SELECT") as caught:
            await ensure_usable(settings, engine, READING_PAST_CODINGS)
        grant = "GRANT SELECT (tenant_id), SELECT (record_id), SELECT (code_ids), SELECT (abstained)"
        assert grant in caught.value.remedy


ROLLERS_OWN = (
    "INSERT INTO usage_marks",
    "UPDATE usage_marks",
    "DELETE FROM usage_",
    "SELECT ensure_llm_calls_month",
    # Whoever may update or delete rows of a table may lock it.
    "DO 'BEGIN LOCK TABLE usage_marks",
)


async def test_the_roller_rolls_with_its_rights_and_makes_months_and_does_no_more(database):
    url, owner = database
    await PostgresLLMCallSink(owner).write([llm_call(tenant_id="of-the-roller")])
    async with login(owner, url, "feedback_roller") as settings, engine_of(settings) as engine:
        await ensure_usable(settings, engine, ROLLING_USAGE)
        assert (await PostgresUsageRoller(engine).roll()).days >= 1
        async with engine.begin() as connection:
            await connection.execute(text("SELECT ensure_llm_calls_month('2031-01-01')"))
        kept = [statement for statement in WRITES["rollups"] if not statement.startswith(ROLLERS_OWN)]
        reads = ("SELECT * FROM api_keys", "SELECT * FROM codings", "SELECT * FROM llm_calls_203101")
        groups = ("llm_calls", "codings", "dead_letters", "api_keys", "the rest")
        others = [one for group in groups for one in WRITES[group]]
        await assert_refused(settings, *kept, *reads, *others)
    answer = await PostgresUsageAnswers(owner).answer(OF_THAT_DAY)
    assert [group.llm_calls.total for group in answer.groups if group.keys == {"tenant": "of-the-roller"}] == [1]


async def test_functions_with_the_owners_rights_are_no_way_around_ours(database):
    """Neither a temporary table in the place of ours nor a trigger of one's own makes them do something else."""
    url, owner = database
    marks = "SELECT count(*) FROM usage_marks WHERE tenant_id = $1"
    async with login(owner, url, "feedback_consumer") as settings:
        connection = await asyncpg.connect(settings.url)
        admin = await asyncpg.connect(url)
        try:
            await connection.execute("CREATE TEMPORARY TABLE usage_marks (tenant_id text, unit text, first_day date)")
            await connection.execute("CREATE TEMPORARY TABLE found (who text)")
            await connection.execute("GRANT ALL ON usage_marks, found TO PUBLIC")
            await connection.execute(
                "CREATE FUNCTION pg_temp.whoami() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN INSERT INTO pg_temp.found VALUES (current_user); RETURN NEW; END $$"
            )
            await connection.execute(
                "CREATE TRIGGER whoami BEFORE INSERT ON usage_marks FOR EACH ROW EXECUTE FUNCTION pg_temp.whoami()"
            )
            await connection.execute(
                "INSERT INTO llm_calls (call_id, tenant_id, operation, invocation_id, invocation_started_at, "
                '"timestamp", call_duration_ms, provider, request_model, status, attempt) VALUES (gen_random_uuid(), '
                "'sly', 'o', gen_random_uuid(), now(), now(), 1, 'p', 'm', 'ok', 1)"
            )
            assert await connection.fetch("SELECT * FROM pg_temp.found") == []
            assert await admin.fetchval(marks, "sly") == 1
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(
                    'CREATE TEMPORARY TABLE mine (tenant_id text, "timestamp" timestamptz, '
                    "invocation_started_at timestamptz); "
                    "CREATE TRIGGER mark AFTER INSERT ON mine REFERENCING NEW TABLE AS changed "
                    "FOR EACH STATEMENT EXECUTE FUNCTION mark_llm_calls_usage()"
                )
        finally:
            await admin.close()
            await connection.close()
