"""Writers, a roller and a reader at once: every answer is of one moment, and in the end all is as it was written."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.postgres.usage.roller import PostgresUsageRoller
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window
from domain.usage.rolling import Rolled
from schemas.llm_calls import LLMCall
from tests.integration.system_support import eventually
from tests.usage_model import Stored, assert_answers
from tests.usage_support import forget_calls, llm_call, migrated_database

START = datetime(2026, 3, 28, 12, tzinfo=UTC)
WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
EVERYTHING = UsageQuestion(WINDOW)
WRITERS, BATCHES, SIZE = 4, 12, 25


@pytest.fixture(scope="module")
async def migrated(postgres):
    async with migrated_database(postgres.url) as (_, engine):
        yield engine


@pytest.fixture
async def engine(migrated):
    await forget_calls(migrated)
    return migrated


async def total(engine: AsyncEngine, question: UsageQuestion = EVERYTHING) -> int:
    answer = (await PostgresUsageAnswers(engine).answer(question)).total
    assert answer.llm_calls.total == answer.invocations.total
    return answer.llm_calls.total


async def marks(connection: AsyncConnection, unit: str = "day") -> int:
    counted = text("SELECT count(*) FROM usage_marks WHERE unit = :unit")
    return (await connection.execute(counted, {"unit": unit})).scalar_one()


async def roll_all(engine: AsyncEngine) -> None:
    for _ in range(100):
        if await PostgresUsageRoller(engine).roll() == Rolled():
            return
    raise AssertionError("there is no end to rolling")


def a_batch(chosen: random.Random) -> list[LLMCall]:
    """Calls of some tenants in some days of two months, each an invocation that began on the day before or then."""
    found = []
    for _ in range(SIZE):
        at = START + timedelta(hours=chosen.randrange(24 * 7))
        began = at - timedelta(hours=chosen.choice([0, 0, 13]))
        tenant = f"t{chosen.randrange(3)}"
        found.append(llm_call(timestamp=at, invocation_started_at=began, tenant_id=tenant, input_tokens=1000))
    return found


async def test_every_read_beside_writers_and_a_roller_is_of_one_moment(engine):
    chosen = random.Random(6)
    batches = [[a_batch(chosen) for _ in range(BATCHES)] for _ in range(WRITERS)]
    every = [batch for own in batches for batch in own]
    written = asyncio.Event()
    rolled: list[Rolled | None] = []
    seen: list[int] = []

    async def write(own: list[list[LLMCall]]) -> None:
        sink = PostgresLLMCallSink(engine)
        for batch in own:
            await sink.write(batch)
            # Delivered again, also while somebody else is at it for the first time.
            await sink.write(chosen.choice(every))

    async def roll() -> None:
        roller = PostgresUsageRoller(engine, days_at_once=5)
        while not written.is_set():
            rolled.append(await roller.roll())

    async def read() -> None:
        by_day = UsageQuestion(WINDOW, group_by=("tenant",), unit="day")
        for question in _in_turn([EVERYTHING, by_day]):
            seen.append(await total(engine, question))
            if written.is_set():
                return

    async with asyncio.TaskGroup() as tasks:
        beside = [tasks.create_task(roll()), tasks.create_task(roll()), tasks.create_task(read())]
        async with asyncio.TaskGroup() as writers:
            for own in batches:
                writers.create_task(write(own))
        written.set()
    assert all(task.done() for task in beside)
    seen.append(await total(engine))

    assert [count % SIZE for count in seen] == [0] * len(seen)
    assert seen == sorted(seen)
    assert seen[-1] == WRITERS * BATCHES * SIZE
    assert any(one is not None and one.days for one in rolled)
    await roll_all(engine)
    await assert_all_is_rolled(engine, [call for batch in every for call in batch])


def _in_turn(questions: list[UsageQuestion]):
    while True:
        yield from questions


async def assert_all_is_rolled(engine: AsyncEngine, calls: list[LLMCall]) -> None:
    """Nothing is marked, and both the rollups and the rows say what was written."""
    async with engine.connect() as connection:
        assert (await marks(connection), await marks(connection, "month")) == (0, 0)
        found = await connection.execute(text("SELECT call_id, created_at FROM llm_calls"))
        stored = {row.call_id: row.created_at for row in found}
    rows = [Stored(call, stored[call.call_id]) for call in calls]
    assert len(stored) == len(rows)
    for group_by in ((), ("tenant", "status"), ("operation", "model")):
        for unit in (None, "day", "month"):
            question = UsageQuestion(WINDOW, group_by=group_by, unit=unit)
            assert_answers(await PostgresUsageAnswers(engine).answer(question), question, rows)
    # The same without a single raw row.
    async with engine.connect() as connection:
        await connection.execute(text("TRUNCATE llm_calls"))
        days = await connection.execute(text("SELECT sum(total) FROM usage_daily WHERE view = 'llm_calls'"))
        months = await connection.execute(text("SELECT sum(total) FROM usage_monthly WHERE view = 'llm_calls'"))
        assert (days.scalar_one(), months.scalar_one()) == (len(rows), len(rows))
        await connection.rollback()


@asynccontextmanager
async def writing(engine: AsyncEngine, call: LLMCall) -> AsyncIterator[AsyncConnection]:
    """A transaction that has written a call and is not over."""
    names = ("call_id", "tenant_id", "operation", "invocation_id", "invocation_started_at", "timestamp")
    names += ("call_duration_ms", "provider", "request_model", "status", "attempt")
    columns, values = ", ".join(f'"{name}"' for name in names), ", ".join(f":{name}" for name in names)
    insert = text(f"INSERT INTO llm_calls ({columns}) VALUES ({values})")  # noqa: S608 - names of columns
    async with engine.connect() as connection:
        await connection.execute(insert, call.model_dump(include=set(names)))
        yield connection


@asynccontextmanager
async def rolling_held_up(engine: AsyncEngine) -> AsyncIterator[asyncio.Task]:
    """A roller that has locked its marks and counted the rows, and cannot yet put the rollups in their place."""
    async with engine.connect() as holding, engine.connect() as watching:
        await holding.execute(text("LOCK TABLE usage_daily IN SHARE ROW EXCLUSIVE MODE"))
        rolling = asyncio.create_task(PostgresUsageRoller(engine).roll())

        async def waits() -> bool:
            held_up = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'usage_daily'::regclass")
            return (await watching.execute(held_up)).scalar_one() == 1

        await eventually(waits)
        yield rolling
        await holding.rollback()
        rolled = await rolling
        assert rolled is not None
        assert rolled.days == 1


def a_call() -> LLMCall:
    return llm_call(timestamp=START, invocation_started_at=START)


@pytest.mark.parametrize("marked", [False, True])
async def test_a_writer_that_began_before_the_roller_is_counted_when_it_ends(engine, marked):
    """Whether its day was marked before, so that it relies on a mark of somebody else's, or by itself."""
    before = [a_call()] if marked else []
    await PostgresLLMCallSink(engine).write(before)
    async with writing(engine, a_call()) as writer:
        assert await PostgresUsageRoller(engine).roll() == Rolled()
        assert await total(engine) == len(before)
        await writer.commit()

    assert await total(engine) == len(before) + 1
    await roll_all(engine)
    assert await total(engine) == len(before) + 1
    async with engine.connect() as connection:
        assert await marks(connection) == 0


@pytest.mark.parametrize("ends", ["before the roller", "after the roller", "never"])
async def test_a_writer_that_began_after_the_roller_marks_its_day_anew(engine, ends):
    await PostgresLLMCallSink(engine).write([a_call()])
    async with engine.connect() as watching:
        async with rolling_held_up(engine) as rolling:
            writer_of = writing(engine, a_call())
            writer = await writer_of.__aenter__()
            if ends == "before the roller":
                await writer.commit()
                assert await total(engine) == 2
            assert not rolling.done()
        if ends == "after the roller":
            assert await total(engine) == 1
            await writer.commit()
        await writer_of.__aexit__(None, None, None)

        written = 1 if ends == "never" else 2
        assert await total(engine) == written
        assert await marks(watching) == written - 1
        await watching.rollback()
        await roll_all(engine)
        assert await total(engine) == written
        assert await marks(watching) == 0


async def test_a_roller_that_cannot_make_a_month_yet_rolls_and_makes_it_later(engine):
    """A writer of a month without a partition, or a long read, is not waited for: others would have to wait, too."""
    async with engine.begin() as connection:
        later = text("SELECT 'llm_calls_' || to_char(now() AT TIME ZONE 'UTC' + interval '2 months', 'YYYYMM')")
        month = (await connection.execute(later)).scalar_one()
        await connection.execute(text(f"DROP TABLE IF EXISTS {month}"))
    there = text("SELECT to_regclass(:month) IS NOT NULL")
    await PostgresLLMCallSink(engine).write([a_call()])
    far = datetime(2990, 1, 1, tzinfo=UTC)
    async with writing(engine, llm_call(timestamp=far, invocation_started_at=far)) as writer:
        async with asyncio.timeout(30):
            assert await PostgresUsageRoller(engine).roll() == Rolled(days=1, weeks=1, months=1)
        async with engine.connect() as connection:
            assert not (await connection.execute(there, {"month": month})).scalar_one()
        await writer.commit()

    await roll_all(engine)

    async with engine.connect() as connection:
        assert (await connection.execute(there, {"month": month})).scalar_one()


async def test_one_roller_at_a_time(engine):
    await PostgresLLMCallSink(engine).write([a_call()])
    async with rolling_held_up(engine):
        assert await PostgresUsageRoller(engine).roll() is None
        assert await total(engine) == 1
    assert await total(engine) == 1
