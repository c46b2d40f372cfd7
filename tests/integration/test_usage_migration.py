"""Migration 0005 and the partitions that it makes: no row is lost or doubled on the way there, back, or later."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import migrate
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.postgres.usage.roller import PostgresUsageRoller
from domain.ports import BatchOutcome
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window
from domain.usage.rolling import Rolled
from schemas.llm_calls import LLMCall
from tests.integration.roles_support import downgrade_to
from tests.usage_support import llm_call, many_calls, migrated_database

FAR = datetime(2031, 7, 1, tzinfo=UTC)
MONTH = "llm_calls_203107"
EVER = UsageQuestion(Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)), group_by=("tenant",))


def calls_of_some_months(count: int) -> list[LLMCall]:
    moments = [datetime(2026, 1 + number % 5, 1 + number % 28, 23, 59, tzinfo=UTC) for number in range(count)]
    return [llm_call(timestamp=at, invocation_started_at=at, tenant_id=f"t{at.month}") for at in moments]


@pytest.fixture(scope="module")
async def database(postgres):
    async with migrated_database(postgres.url) as (_, engine):
        yield engine


async def fetched(engine, query: str, **parameters):
    async with engine.begin() as connection:
        return (await connection.execute(text(query), parameters)).all()


async def rows_of(engine) -> list[tuple]:
    """Every row, with its id and the moment that it was stored, but for columns that a later release added."""
    names = 'id, call_id, tenant_id, "timestamp", input_tokens, cost_usd, status, created_at, trace_id'
    return await fetched(engine, f"SELECT {names} FROM llm_calls ORDER BY id")  # noqa: S608 - names of columns


async def roll_all(engine) -> None:
    for _ in range(100):
        if await PostgresUsageRoller(engine).roll() == Rolled():
            return
    raise AssertionError("there is no end to rolling")


async def test_rows_survive_the_way_to_partitions_and_back(fresh_database):
    settings = DatabaseSettings(url=fresh_database)
    await migrate(settings, revision="0004")
    engine = create_engine(settings)
    try:
        await _written_by_the_release_before(engine, calls_of_some_months(50))
        before = await rows_of(engine)

        await migrate(settings)

        assert await rows_of(engine) == before
        assert len(before) == 50
        new = many_calls(3)
        assert await PostgresLLMCallSink(engine).write(new) == BatchOutcome(3)
        assert await rows_of(engine) != before
        assert min(row.id for row in (await rows_of(engine))[50:]) > max(row.id for row in before)
        await roll_all(engine)
        answer = await PostgresUsageAnswers(engine).answer(EVER)
        assert {group.keys["tenant"]: group.llm_calls.total for group in answer.groups} == {
            **{f"t{month}": 10 for month in range(1, 6)},
            new[0].tenant_id: 3,
        }
        with_them = await rows_of(engine)

        async with engine.begin() as connection:
            await connection.run_sync(downgrade_to("0004"))

        assert await rows_of(engine) == with_them
        await _written_by_the_release_before(engine, [*new, *many_calls(1)])
        assert len(await rows_of(engine)) == 54
        assert await migrate(settings)
        assert len(await rows_of(engine)) == 54
    finally:
        await engine.dispose()


async def _written_by_the_release_before(engine, calls: list[LLMCall]) -> None:
    names = ("call_id", "tenant_id", "operation", "invocation_id", "invocation_started_at", "timestamp")
    names += ("call_duration_ms", "provider", "request_model", "input_tokens", "cost_usd", "status", "attempt")
    columns, values = ", ".join(f'"{name}"' for name in names), ", ".join(f":{name}" for name in names)
    insert = f"INSERT INTO llm_calls ({columns}) VALUES ({values}) ON CONFLICT (call_id) DO NOTHING"  # noqa: S608
    async with engine.begin() as connection:
        await connection.execute(text(insert), [call.model_dump(include=set(names)) for call in calls])


async def test_an_id_that_came_with_moments_of_two_months_is_no_hindrance_on_the_way_back(fresh_database):
    settings = DatabaseSettings(url=fresh_database)
    await migrate(settings)
    engine = create_engine(settings)
    try:
        first = llm_call()
        again = first.model_copy(update={"timestamp": first.timestamp - timedelta(days=60)})
        for call in (first, again):
            assert (await PostgresLLMCallSink(engine).write([call])).inserted == 1

        async with engine.begin() as connection:
            await connection.run_sync(downgrade_to("0004"))

        assert [row.timestamp for row in await rows_of(engine)] == [first.timestamp]
    finally:
        await engine.dispose()


async def test_a_month_takes_over_its_rows_when_it_is_made(database):
    of_the_month = [FAR, FAR + timedelta(days=31) - timedelta(microseconds=1), FAR + timedelta(days=15)]
    others = [FAR - timedelta(microseconds=1), FAR + timedelta(days=31)]
    calls = [llm_call(timestamp=at, invocation_started_at=at, tenant_id="far") for at in (*of_the_month, *others)]
    sink = PostgresLLMCallSink(database)
    assert await sink.write(calls) == BatchOutcome(5)
    before = await rows_of(database)
    make = "SELECT ensure_llm_calls_month(:day)"

    assert await fetched(database, make, day=FAR.date() + timedelta(days=20)) == [(True,)]
    assert await fetched(database, make, day=FAR.date()) == [(False,)]

    assert await rows_of(database) == before
    where = "SELECT tableoid::regclass::text, count(*) FROM llm_calls WHERE tenant_id = 'far' GROUP BY 1 ORDER BY 1"
    assert await fetched(database, where) == [(MONTH, 3), ("llm_calls_other", 2)]
    # What was stored before the month had a partition is known in it.
    assert await sink.write(calls) == BatchOutcome(0)
    assert await sink.write([*calls, *many_calls(1, timestamp=FAR, tenant_id="far")]) == BatchOutcome(1)


async def test_the_months_around_now_are_there_and_the_roller_makes_those_to_come(database):
    months = "SELECT ensure_llm_calls_month((now() AT TIME ZONE 'UTC' + n * interval '1 month')::date)"
    after_migration = await fetched(database, f"{months} FROM generate_series(-1, 1) AS n")
    assert after_migration == [(False,)] * 3

    await PostgresUsageRoller(database).roll()

    assert await fetched(database, f"{months} FROM generate_series(0, 2) AS n") == [(False,)] * 3


async def test_a_repeated_event_is_stored_once_across_batches_and_writers(database):
    months = calls_of_some_months(30)
    one, other = PostgresLLMCallSink(database), PostgresLLMCallSink(database)

    assert await one.write(months[:20]) == BatchOutcome(20)
    assert await other.write(months) == BatchOutcome(10)
    assert await one.write([*months, *months]) == BatchOutcome(0)
    assert await other.write([*months, *many_calls(2)]) == BatchOutcome(2)

    repeated = "SELECT call_id FROM llm_calls GROUP BY call_id HAVING count(*) > 1"
    assert await fetched(database, repeated) == []
