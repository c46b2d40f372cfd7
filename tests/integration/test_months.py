"""Partitions that are made while others write, roll and wait: no row is refused for it, and no rollup waits."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.usage.months import LONGEST_PAUSE, Months
from adapters.postgres.usage.roller import PostgresUsageRoller
from domain.ports import BatchOutcome
from domain.usage.rolling import Rolled
from tests.integration.system_support import eventually
from tests.usage_support import llm_call, many_calls, migrated_database

FAR = datetime(2031, 7, 1, tzinfo=UTC)
NOW = datetime.now(UTC)
SLOW = (
    "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN OLD; END $$",
    "CREATE TRIGGER slow BEFORE DELETE ON llm_calls_other FOR EACH ROW EXECUTE FUNCTION dawdle()",
)


@pytest.fixture
async def database(postgres) -> AsyncIterator[tuple[DatabaseSettings, AsyncEngine]]:
    async with migrated_database(postgres.url) as found:
        yield found


async def done(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def where(engine: AsyncEngine) -> dict[str, int]:
    """How many rows are in which partition."""
    counted = text("SELECT tableoid::regclass::text, count(*) FROM llm_calls GROUP BY 1")
    async with engine.connect() as connection:
        return {row[0]: row[1] for row in await connection.execute(counted)}


async def waits(engine: AsyncEngine) -> bool:
    """Whether somebody waits for the table."""
    asked = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'llm_calls'::regclass")
    async with engine.connect() as connection:
        return (await connection.execute(asked)).scalar_one() == 1


def partition(moment: datetime) -> str:
    return f"llm_calls_{moment:%Y%m}"


@pytest.mark.parametrize("copies", [True, False])
@pytest.mark.parametrize("count", [1, 3])
async def test_rows_that_wait_while_their_month_is_made_are_stored_in_it(database, copies, count):
    _, engine = database
    sink = PostgresLLMCallSink(engine)
    if not copies:  # behind a repeat it inserts
        repeated = many_calls(1)
        assert await sink.write(repeated) == BatchOutcome(1)
        assert await sink.write(repeated) == BatchOutcome(0)
    calls = many_calls(count, timestamp=FAR, invocation_started_at=FAR)

    async with engine.connect() as making:
        await making.execute(text("SELECT ensure_llm_calls_month(:day)"), {"day": FAR.date()})
        writing = asyncio.create_task(sink.write(calls))
        await eventually(lambda: waits(engine))
        await making.commit()

    assert await writing == BatchOutcome(count)
    assert (await where(engine))[partition(FAR)] == count


@pytest.mark.parametrize(
    "limit", [{"statement_timeout_seconds": 1}, {"command_timeout_seconds": 1}], ids=["by the server", "by the driver"]
)
async def test_a_month_that_cannot_be_made_in_time_holds_up_no_rollup(database, limit, caplog):
    settings, owner = database
    await done(owner, f"DROP TABLE {partition(NOW)}", *SLOW)
    sink = PostgresLLMCallSink(owner)
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 5)]
    calls = [llm_call(timestamp=day, invocation_started_at=day) for day in days]
    await sink.write([*calls, llm_call(timestamp=NOW, invocation_started_at=NOW, tenant_id="now")])
    engine = create_engine(DatabaseSettings(url=settings.url, **limit))
    try:
        roller = PostgresUsageRoller(engine, days_at_once=4)
        with caplog.at_level(logging.WARNING):
            first = await roller.roll()
            await sink.write([llm_call(timestamp=day, invocation_started_at=day) for day in days])
            again = await roller.roll()
    finally:
        await engine.dispose()

    # As many days at once as before: it is not they that took too long.
    assert (first.days, again.days) == (4, 4)
    assert (first.partition_failures, again.partition_failures) == (1, 0)
    (warning,) = [record.getMessage() for record in caplog.records if "partition" in record.getMessage()]
    assert f"ensure_llm_calls_month('{NOW:%Y-%m}-01')" in warning
    assert "llm_calls_other" in await where(owner)

    await done(owner, "DROP TRIGGER slow ON llm_calls_other")
    assert (await PostgresUsageRoller(owner).roll()).partition_failures == 0
    assert (await where(owner))[partition(NOW)] == 1


async def test_it_is_tried_again_ever_less_often_and_told_once(database, caplog):
    _, engine = database
    await done(engine, f"DROP TABLE {partition(NOW)}", "ALTER FUNCTION ensure_llm_calls_month RENAME TO hidden")
    now = 0.0
    months = Months(engine, lambda: now)
    tried = []

    with caplog.at_level(logging.INFO, "adapters"):
        while now < 3 * LONGEST_PAUSE:
            if not await months.make():
                tried.append(now)
            now += 10
        await done(engine, "ALTER FUNCTION hidden RENAME TO ensure_llm_calls_month")
        now += LONGEST_PAUSE
        assert await months.make()

    pauses = [after - before for before, after in itertools.pairwise(tried)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (60, LONGEST_PAUSE)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    await PostgresLLMCallSink(engine).write([llm_call(timestamp=NOW)])
    assert await where(engine) == {partition(NOW): 1}


async def test_beside_a_transaction_that_is_never_over_it_is_tried_ever_less_often(database):
    """Each time all others wait."""
    _, engine = database
    await done(engine, f"DROP TABLE {partition(NOW)}")
    now = 0.0
    months = Months(engine, lambda: now)
    made = "SELECT to_regclass(:name) IS NOT NULL"
    tried = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *told: tried.append((now, told[2])))
    async with engine.connect() as forgotten:
        await forgotten.execute(text("SELECT count(*) FROM llm_calls"))
        while now < 100:
            assert await months.make()
            now += 1
    at = sorted({when for when, statement in tried if "ensure_llm_calls_month" in statement})
    assert at == [0, 5, 15, 35, 75]
    now = 1000.0
    assert await months.make()
    async with engine.connect() as connection:
        assert (await connection.execute(text(made), {"name": partition(NOW)})).scalar_one()


async def test_months_that_came_while_no_roller_was_there_get_their_partitions(database):
    _, engine = database
    this_month = NOW.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    past = [this_month - timedelta(days=days) for days in (80, 200, 400, 600)]
    odd = [datetime(2001, 1, 1, tzinfo=UTC), FAR]
    await PostgresLLMCallSink(engine).write([llm_call(timestamp=at, invocation_started_at=at) for at in past + odd])
    roller = PostgresUsageRoller(engine)

    await roller.roll()
    a_few = await where(engine)
    while await roller.roll() != Rolled():
        pass

    assert 1 < a_few["llm_calls_other"] < 6  # some each round, which others wait for
    # What is of another time altogether gets no partition for each of its months.
    assert await where(engine) == {**{partition(at): 1 for at in past}, "llm_calls_other": 2}
