"""What the database itself keeps the API from, and what keeps one tenant's questions from holding up another's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.agreement import PostgresAgreementReader
from adapters.postgres.codings import PostgresCodingSink, PostgresCorrectionSink
from adapters.postgres.dead_letter_counts import PostgresDeadLetterReader
from adapters.postgres.dead_letters import PostgresDeadLetterSink
from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import is_current
from adapters.postgres.usage import reader as usage_reader
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.postgres.usage.roller import PostgresUsageRoller
from api.app import create_app
from domain.agreement import AgreementQuestion
from domain.dead_letters.counts import DeadLetterQuestion
from domain.errors import UsageUnavailableError
from domain.keys import NOBODY, Asker
from domain.usage.questions import UsageQuestion
from domain.usage.turns import AgreementReaderInTurn, Turns, UsageAnswersInTurn
from tests.codings_support import a_coding, a_correction
from tests.dead_letters_support import a_dead_letter_row
from tests.integration.roles_support import login
from tests.integration.test_retention import EVER, month
from tests.usage_support import llm_call, many_calls, migrated_database

ROLLUPS = tuple(f"usage_{unit}{totals}" for totals in ("", "_totals") for unit in ("daily", "weekly", "monthly"))
TABLES = ("llm_calls", *ROLLUPS, "usage_marks", "codings", "corrections", "dead_letters")
WINDOW = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
SLOW = 4711
"""The advisory lock that the slow tenant's questions wait for."""


@dataclass
class World:
    owner: AsyncEngine
    settings: DatabaseSettings
    engine: AsyncEngine


@pytest.fixture(scope="module")
async def world(postgres) -> AsyncIterator[World]:
    async with migrated_database(postgres.url) as (settings, owner):
        for tenant in ("alder", "birch"):
            old = month(3)
            calls = [
                *many_calls(3, tenant_id=tenant),
                llm_call(tenant_id=tenant, timestamp=old, invocation_started_at=old),
            ]
            await PostgresLLMCallSink(owner).write(calls)
            await PostgresCodingSink(owner).write([a_coding("r-1", "a", tenant_id=tenant)])
            await PostgresCorrectionSink(owner).write([a_correction("r-1", "a", tenant_id=tenant)])
            await PostgresDeadLetterSink(owner).write([a_dead_letter_row(tenant_id=tenant)])
        for _ in range(20):
            await PostgresUsageRoller(owner).roll()
        await PostgresLLMCallSink(owner).write([llm_call(tenant_id=name) for name in ("alder", "birch")])  # marks
        async with login(owner, settings.url or "", "feedback_api") as member:
            engine = create_engine(member)
            yield World(owner, member, engine)
            await engine.dispose()


def in_all(*tenants: str) -> dict[str, set[str]]:
    return {table: set(tenants) for table in TABLES}


async def seen(world: World, *settings: str) -> dict[str, set[str]]:
    connection = await asyncpg.connect(world.settings.url)
    try:
        async with connection.transaction():
            for setting in settings:
                await connection.execute(f"SET LOCAL {setting}")
            return {
                table: {row[0] for row in await connection.fetch(f"SELECT DISTINCT tenant_id FROM {table}")}  # noqa: S608
                for table in TABLES
            }
    finally:
        await connection.close()


async def test_a_member_that_forgets_to_name_the_tenant_sees_nothing(world):
    assert await seen(world) == in_all()
    assert await seen(world, "feedback.tenant = ''", "feedback.superuser = 'off'") == in_all()
    assert await seen(world, "feedback.tenant = 'alder'") == in_all("alder")
    assert await seen(world, "feedback.superuser = 'on'") == in_all("alder", "birch")
    whole = UsageQuestion(EVER, group_by=("tenant",))
    for asker in (NOBODY, Asker("")):
        assert (await PostgresUsageAnswers(world.engine).answer(whole, asker)).groups == ()


async def test_the_settings_end_with_the_transaction(world):
    async with world.engine.connect() as connection:
        first = await connection.execute(text("SELECT set_config('feedback.tenant', 'alder', true)"))
        assert first.scalar_one() == "alder"
        count = text("SELECT count(*) FROM llm_calls")
        assert (await connection.execute(count)).scalar_one() > 0
        await connection.rollback()
        assert (await connection.execute(count)).scalar_one() == 0


async def test_a_bug_in_a_query_shows_no_other_tenants_rows(world, monkeypatch):
    """The conditions on the tenant are taken out of the statements: the database's own remain."""
    for name in ("parameters", "statement"):
        honest = getattr(usage_reader, name)
        monkeypatch.setattr(usage_reader, name, partial(_of_everybody, honest))
    question = UsageQuestion(EVER, group_by=("tenant",), filters={"tenant": ("alder",)})
    answers = PostgresUsageAnswers(world.engine)
    told = await answers.answer(question, Asker("alder"))
    assert {group.keys["tenant"] for group in told.groups} == {"alder"}
    told = await answers.answer(question, Asker("hq", superuser=True))
    assert {group.keys["tenant"] for group in told.groups} == {"alder", "birch"}  # so it was a bug
    agreement = AgreementQuestion("birch", "community-feedback", EVER)
    reader = PostgresAgreementReader(world.engine)
    assert (await reader.of(agreement, Asker("birch"))).records == 1
    assert (await reader.of(agreement, Asker("alder"))).records == 0
    of_birch = DeadLetterQuestion(EVER, ("birch",))
    for asker, count in {"birch": 1, "alder": 0}.items():
        assert (await PostgresDeadLetterReader(world.engine).counts(of_birch, Asker(asker))).total == count


async def test_what_names_no_tenant_is_seen_by_superusers_alone(world):
    nobodys = a_dead_letter_row(tenant_id=None)
    await PostgresDeadLetterSink(world.owner).write([nobodys])
    try:
        reader, everyones = PostgresDeadLetterReader(world.engine), DeadLetterQuestion(EVER)
        counted = {asker: (await reader.counts(everyones, asker)).total for asker in (NOBODY, Asker("alder"))}
        assert counted == {NOBODY: 0, Asker("alder"): 1}
        assert (await reader.counts(everyones, Asker("hq", superuser=True))).total == 3
    finally:
        async with world.owner.begin() as connection:
            await connection.execute(text("DELETE FROM dead_letters WHERE tenant_id IS NULL"))


def _of_everybody(honest: Callable[..., Any], question: UsageQuestion, *rest: Any, **named: Any) -> Any:
    return honest(replace(question, filters={}), *rest, **named)


async def test_what_takes_too_long_is_given_up(world):
    async with world.owner.begin() as connection:
        await connection.execute(text("LOCK TABLE usage_daily_totals IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(UsageUnavailableError, match="57014"):
            await PostgresUsageAnswers(world.engine, 0.05).answer(UsageQuestion(EVER), Asker("alder"))


@pytest.fixture
async def slow_tenant(world) -> AsyncIterator[None]:
    """Whatever birch asks waits, in the database, for a lock that the test may hold."""
    async with world.owner.begin() as connection:
        await connection.execute(
            text(
                "CREATE POLICY slow ON usage_marks AS RESTRICTIVE TO feedback_api USING "
                "(CASE WHEN current_setting('feedback.tenant', true) = 'birch' "
                f"THEN pg_advisory_xact_lock_shared({SLOW})::text IS NOT NULL ELSE true END)"
            )
        )
    yield
    async with world.owner.begin() as connection:
        await connection.execute(text("DROP POLICY slow ON usage_marks"))


@pytest.mark.usefixtures("slow_tenant")
async def test_a_tenant_with_slow_questions_holds_nobody_up(world):
    turns, store = Turns(world.settings.pool_size, waiting=15, patience_seconds=60), PostgresKeyStore(world.owner)
    answers = UsageAnswersInTurn(PostgresUsageAnswers(world.engine), turns)
    reader = AgreementReaderInTurn(PostgresAgreementReader(world.engine), turns)
    keys = PostgresKeyStore(world.engine)
    app = create_app(answers, keys, lambda: is_current(world.engine), agreement_reader=reader)
    key = {tenant: (await store.create(tenant)).text for tenant in ("alder", "birch")}

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api", timeout=60) as client:

        async def ask(tenant: str, path: str = "/v1/usage", **more: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {key[tenant]}"}
            return await client.get(path, params=WINDOW | more, headers=headers)

        async with world.owner.connect() as holder:
            await holder.execute(text(f"SELECT pg_advisory_lock({SLOW})"))
            slow = [asyncio.create_task(ask("birch")) for _ in range(30)]
            refused = []
            async with asyncio.timeout(30):
                while len(refused) < 30 - 2 - 15:
                    done, _ = await asyncio.wait(
                        [task for task in slow if task not in refused], return_when=asyncio.FIRST_COMPLETED
                    )
                    refused += done
            assert {task.result().status_code for task in refused} == {429}
            body = refused[0].result()
            assert body.json()["error"]["code"] == "too_many_questions"
            assert int(body.headers["Retry-After"]) > 0

            for _ in range(5):
                quick = await ask("alder")
                assert (quick.status_code, quick.json()["llm_calls"]["total"]) == (200, 4)
            assert (await ask("alder", "/v1/agreement", framework_id="community-feedback")).status_code == 200
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = :lock AND NOT granted"
            assert (await holder.execute(text(waiting), {"lock": SLOW})).scalar_one() == 2
            await holder.execute(text(f"SELECT pg_advisory_unlock({SLOW})"))
        answered = [await task for task in slow if task not in refused]
        assert {answer.status_code for answer in answered} == {200}
        assert len(answered) == 17
