"""Answers to questions about usage, from rollups and raw rows, held against their definition in plain Python.

Calls are written, delivered again, come late, are changed and deleted, and in between days and months are rolled or
not: whatever happened, an answer is what the definition says of the rows that are there.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from adapters.postgres.tables import llm_calls, usage_daily, usage_monthly
from adapters.postgres.usage import reader as usage_reader
from adapters.postgres.usage import statement as usage_statement
from adapters.postgres.usage.reader import PostgresUsageAnswers
from domain.errors import TooManyGroupsError, UsageUnavailableError
from domain.usage.calendar import UNITS
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window
from tests.integration.rollups_support import STORED_LATE, Rig, invocations, questions, steps, take
from tests.usage_support import NOON, forget_calls, llm_call, many_calls, migrated_database


@pytest.fixture(scope="module")
async def database(postgres):
    async with migrated_database(postgres.url) as (_, engine):
        yield engine


@pytest.fixture
async def new_rig(database):
    async def empty() -> Rig:
        await forget_calls(database)
        return Rig(database)

    return empty


@pytest.fixture
async def rig(new_rig):
    return await new_rig()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(invocations(), min_size=1, max_size=6), st.lists(steps, max_size=8), questions(), questions())
async def test_every_answer_is_what_the_definition_says(new_rig, first, done, one, other):
    rig = await new_rig()
    await take(rig, ("write", first, 0))
    for step in done:
        await take(rig, step)
    assert await rig.count(llm_calls) == len(rig.rows)
    await rig.ask(one)
    await rig.roll_all()
    await rig.ask(one)
    await rig.ask(other)


OF_THE_DAY = UsageQuestion(Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12)))


async def test_a_rolled_day_whose_rows_are_all_gone_is_nothing(rig):
    await rig.write(many_calls(3), timedelta())
    await rig.roll_all()
    await rig.ask(OF_THE_DAY)

    await rig.remove(list(rig.rows))
    await rig.ask(OF_THE_DAY)
    await rig.roll_all()

    await rig.ask(OF_THE_DAY)
    assert (await rig.count(usage_daily), await rig.count(usage_monthly)) == (0, 0)


async def test_rolled_whole_months_need_no_raw_rows_and_an_open_month_is_read_by_its_days(rig):
    started = datetime(2026, 2, 3, tzinfo=UTC)
    far = datetime(2990, 6, 30, tzinfo=UTC)
    calls = [llm_call(timestamp=at, invocation_started_at=at) for at in (started, started + timedelta(days=2), far)]
    await rig.write(calls, timedelta())
    await rig.roll_all()
    ever = UsageQuestion(Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2991, 1, 1, tzinfo=UTC)), unit=None)

    async with rig.engine.begin() as connection:
        await connection.execute(text("TRUNCATE llm_calls"))
        await connection.execute(text("DELETE FROM usage_daily WHERE day < '2990-01-01'"))

    await rig.ask(ever)
    async with rig.engine.connect() as connection:
        assert (await connection.execute(text("SELECT month FROM usage_monthly"))).scalars().all() == [
            date(2026, 2, 1)
        ] * 2
        left = await connection.execute(text("SELECT unit, first_day FROM usage_marks"))
        assert sorted(left.all()) == [("month", date(2990, 6, 1)), ("week", date(2990, 6, 28))]


async def test_a_report_can_be_made_again_whatever_was_stored_since(rig):
    await rig.write(many_calls(5), timedelta())
    await rig.roll_all()
    then = NOON + timedelta(hours=2)
    asked = UsageQuestion(OF_THE_DAY.window, group_by=("tenant", "model"), unit="hour", ingested_before=then)
    before = await rig.answers.answer(asked)
    assert before.total.llm_calls.total == 5

    await rig.write(many_calls(7, invocation_id=next(iter(rig.rows.values())).call.invocation_id), STORED_LATE)
    for _ in range(2):
        again, but = await rig.answers.answer(asked), {"as_of", "freshness"}
        assert again.model_dump_json(exclude=but) == before.model_dump_json(exclude=but)
        await rig.ask(asked)
        await rig.roll_all()
    await rig.ask(OF_THE_DAY)


async def test_the_largest_numbers_are_added_up_to_the_last_digit(rig):
    calls = many_calls(3, input_tokens=2**63 - 1, cost_usd=Decimal("999999.999999999999"), invocation_id=uuid4())
    await rig.write(calls, timedelta())

    for _ in range(2):
        await rig.ask(OF_THE_DAY)
        await rig.roll_all()


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/New_York"])
async def test_the_calendars_ends_can_be_asked_about(rig, zone):
    await rig.write(many_calls(2), timedelta())
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

    await rig.ask(UsageQuestion(Window(first, last)))
    for window in (Window(first, first + timedelta(days=2)), Window(last - timedelta(days=2), last)):
        for unit in UNITS:
            answer = await rig.answers.answer(UsageQuestion(window, unit=unit, zone=ZoneInfo(zone)))
            assert (answer.total.llm_calls.total, answer.groups[0].llm_calls.total) == (0, 0)


async def test_what_nobody_could_read_and_what_takes_too_long_is_refused(rig):
    year = Window(NOON - timedelta(days=366), NOON + timedelta(days=366))
    with pytest.raises(TooManyGroupsError, match=r"10,000 hours"):
        await rig.answers.answer(UsageQuestion(year, unit="hour"))
    await rig.write([llm_call(operation=f"operation {number}") for number in range(140)], timedelta())
    with pytest.raises(TooManyGroupsError, match="100,000 groups"):
        await rig.answers.answer(UsageQuestion(year, unit="day", group_by=("operation",)))

    async with rig.engine.connect() as holding:
        await holding.execute(text("LOCK TABLE usage_marks IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(UsageUnavailableError):
            await PostgresUsageAnswers(rig.engine, statement_seconds=0.05).answer(OF_THE_DAY)
    await rig.ask(OF_THE_DAY)


async def test_no_more_rows_are_taken_from_the_database_than_an_answer_can_have(rig, monkeypatch):
    """Whoever produces calls names their operations: as many as they like."""
    taken = []
    for module in (usage_reader, usage_statement):
        monkeypatch.setattr(module, "MAX_ROWS", 30)
    monkeypatch.setattr(usage_reader, "_Answering", lambda *_: pytest.fail("they were put together"))
    statement = usage_reader.statement
    monkeypatch.setattr(usage_reader, "statement", lambda *a, **k: taken.append(statement(*a, **k)) or taken[-1])
    await rig.write([llm_call(operation=f"operation {number}") for number in range(40)], timedelta())

    with pytest.raises(TooManyGroupsError, match="more than 30 rows"):
        await rig.answers.answer(replace(OF_THE_DAY, group_by=("operation",)))

    assert str(taken[0]).endswith("LIMIT 31")
