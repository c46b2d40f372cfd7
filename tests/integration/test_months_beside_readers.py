"""A month's partition is made, or dropped, of rows that are being read: nobody counts without them.

What a transaction reads is of its snapshot; in which partitions it looks is of the moment. Rows that move between the
two would be in neither.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import migrate
from adapters.postgres.usage import failures, reader
from adapters.postgres.usage.failures import PostgresFailureAnswers
from adapters.postgres.usage.months import is_busy, make_month
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.postgres.usage.roller import PostgresUsageRoller
from domain.usage.failures import FailureQuestion
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window
from domain.usage.rolling import Rolled
from tests.integration.roles_support import downgrade_to
from tests.integration.system_support import eventually
from tests.usage_support import many_calls, migrated_database

NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)
WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))
COUNT = 20
MAKE = text("SELECT ensure_llm_calls_month(:day)").bindparams(day=NOON.date())


@pytest.fixture
async def database(postgres) -> AsyncIterator[tuple[DatabaseSettings, AsyncEngine]]:
    """A table with calls of a month that has no partition."""
    async with migrated_database(postgres.url) as (settings, engine):
        await PostgresLLMCallSink(engine).write(many_calls(COUNT, timestamp=NOON, invocation_started_at=NOON))
        async with engine.connect() as connection:
            held = text("SELECT count(*) FROM llm_calls_other")
            assert (await connection.execute(held)).scalar_one() == COUNT
        yield settings, engine


@pytest.fixture
def engine(database) -> AsyncEngine:
    return database[1]


async def totals(engine: AsyncEngine) -> tuple[int, int]:
    total = (await PostgresUsageAnswers(engine).answer(UsageQuestion(WINDOW))).total
    return total.llm_calls.total, total.invocations.total


def between_statements(monkeypatch, module: Any, name: str, settings: DatabaseSettings) -> list[str]:
    """What the server said to somebody who would make the month's partition behind a reader's first statement."""
    said: list[str] = []
    theirs: Callable[..., Any] = getattr(module, name)

    async def make() -> None:
        other = create_engine(settings)
        try:
            async with other.begin() as connection:
                await make_month(connection, NOON.date())
            said.append("made")
        except DBAPIError as error:
            said.append("busy" if is_busy(error) else str(error))
        finally:
            await other.dispose()

    def beside(*arguments: Any, **named: Any) -> Any:
        if not said:
            thread = Thread(target=lambda: asyncio.run(make()))
            thread.start()
            thread.join()
        return theirs(*arguments, **named)

    monkeypatch.setattr(module, name, beside)
    return said


async def test_no_month_is_made_between_two_statements_of_an_answer(database, monkeypatch):
    settings, engine = database
    said = between_statements(monkeypatch, reader, "statement", settings)
    assert await totals(engine) == (COUNT, COUNT)
    assert said == ["busy"]


async def test_nor_between_two_statements_about_failures(database, monkeypatch):
    settings, engine = database
    said = between_statements(monkeypatch, failures, "_check_kept", settings)
    found = await PostgresFailureAnswers(engine).failures(FailureQuestion(WINDOW))
    assert (found.total.llm_calls.total, found.total.invocations.total) == (COUNT, COUNT)
    assert said == ["busy"]


async def waits(connection: AsyncConnection) -> bool:
    asked = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL")
    return (await connection.execute(asked)).scalar_one() == 1


async def beside_the_making(engine: AsyncEngine, work: Any) -> Any:
    """What comes of work that meets a transaction which is making the month's partition, and ends before it."""
    async with engine.connect() as making, engine.connect() as watching:
        await making.execute(MAKE)
        running = asyncio.create_task(work)
        await eventually(lambda: waits(watching))
        await making.commit()
    return await running


async def test_an_answer_that_waits_for_the_making_of_a_month_has_its_rows(engine):
    assert await beside_the_making(engine, totals(engine)) == (COUNT, COUNT)


async def test_a_roller_that_waits_for_the_making_of_a_month_counts_its_rows(engine):
    rolled = await beside_the_making(engine, PostgresUsageRoller(engine).roll())
    assert rolled == Rolled(days=1, weeks=1, months=1)
    assert await totals(engine) == (COUNT, COUNT)
    async with engine.connect() as connection:
        day = text("SELECT sum(total) FROM usage_daily WHERE view = 'llm_calls'")
        assert (await connection.execute(day)).scalar_one() == COUNT


async def test_nothing_in_an_answer_was_stored_behind_its_moment_however_long_it_waited(database):
    """Else a later page, which is of what was stored before that moment, would lack groups of the first one."""
    _, engine = database
    async with engine.connect() as making, engine.connect() as watching:
        await making.execute(text("LOCK TABLE llm_calls IN ACCESS EXCLUSIVE MODE"))
        answering = asyncio.create_task(PostgresUsageAnswers(engine).answer(UsageQuestion(WINDOW)))
        await eventually(lambda: waits(watching))
        stored = text("UPDATE llm_calls SET created_at = clock_timestamp() RETURNING created_at")
        latest = max((await making.execute(stored)).scalars())
        await making.commit()
    answer = await answering
    assert answer.total.llm_calls.total == COUNT
    assert answer.as_of > latest
    again = await PostgresUsageAnswers(engine).answer(UsageQuestion(WINDOW, ingested_before=answer.as_of))
    assert again.total.llm_calls.total == COUNT


@pytest.mark.parametrize("counted_again", [False, True], ids=["both views", "invocations alone"])
async def test_the_migration_mends_what_an_earlier_version_counted_without_its_rows(database, counted_again):
    settings, engine = database
    before = NOON - timedelta(days=15)  # of another month
    begun = many_calls(3, timestamp=before, invocation_started_at=before)
    await PostgresLLMCallSink(engine).write(begun)
    ended = many_calls(1, timestamp=NOON, invocation_started_at=before)
    await PostgresLLMCallSink(engine).write(ended)
    async with engine.begin() as connection:
        await connection.run_sync(downgrade_to("0012"))
    await beside_the_making(engine, PostgresUsageRoller(engine).roll())
    assert await totals(engine) != (COUNT + 4, COUNT + 4)
    if counted_again:
        async with engine.begin() as connection:
            again = "INSERT INTO usage_marks (tenant_id, unit, first_day) SELECT tenant_id, 'day', :day FROM llm_calls"
            await connection.execute(text(f"{again} LIMIT 1"), {"day": NOON.date()})
        await PostgresUsageRoller(engine).roll()
        assert await totals(engine) != (COUNT + 4, COUNT + 4)
    await migrate(settings)
    async with engine.connect() as connection:
        marked = text("SELECT first_day FROM usage_marks WHERE unit = 'day' ORDER BY 1")
        found = (await connection.execute(marked)).scalars().all()
    assert found == ([before.date()] if counted_again else [before.date(), NOON.date()])
    assert await totals(engine) == (COUNT + 4, COUNT + 4)
    await PostgresUsageRoller(engine).roll()
    assert await totals(engine) == (COUNT + 4, COUNT + 4)
    async with engine.begin() as connection:
        await connection.run_sync(downgrade_to("0012"))
    await migrate(settings)
    async with engine.connect() as connection:
        assert (await connection.execute(marked)).all() == []
