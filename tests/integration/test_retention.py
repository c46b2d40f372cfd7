"""`feedback retention` on real rows: what goes, what stays, and what is said of it afterwards."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.postgres.usage.retention import PostgresRetention
from adapters.postgres.usage.roller import PostgresUsageRoller
from consumers.batches import BatchSettler, Progress
from consumers.llm_calls import llm_call_tables
from domain.delivery.messages import InboundMessage
from domain.errors import DroppedCallsError, UserError
from domain.usage.answers import UsageAnswer
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window
from schemas.dead_letters import DeadLetter
from schemas.llm_calls import LLMCall
from tests.fakes import FakePublisher
from tests.integration.roles_support import engine_of, login
from tests.usage_support import llm_call, migrated_database

THIS_MONTH = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month(number: int) -> datetime:
    """The beginning of the month that is so many before this one."""
    found = THIS_MONTH
    for _ in range(number):
        found = (found - timedelta(days=1)).replace(day=1)
    return found


KEPT_FROM = month(2)
OLD = month(3)
EVER = Window(datetime(1999, 12, 31, tzinfo=UTC), datetime(2990, 1, 1, tzinfo=UTC))
BY_DAY = UsageQuestion(Window(month(5), THIS_MONTH), group_by=("tenant",), unit="day")
EVERY = (UsageQuestion(EVER, group_by=("tenant",)), UsageQuestion(EVER, group_by=("operation", "model")), BY_DAY)


def call(moment: datetime, **fields: object) -> LLMCall:
    return llm_call(**{"timestamp": moment, "invocation_started_at": moment} | fields)


def history() -> list[LLMCall]:
    """Calls of five months, and an invocation that goes over the boundary of what will be kept."""
    calls = [
        call(month(back) + timedelta(days=day, hours=9), tenant_id=tenant, input_tokens=day * 7)
        for back in range(5)
        for day in (0, 3, 14)
        for tenant in ("alder", "birch")
    ]
    began = KEPT_FROM - timedelta(minutes=1)
    over = {"invocation_id": uuid4(), "invocation_started_at": began, "tenant_id": "alder", "operation": "analyze"}
    return [*calls, *(call(began + timedelta(minutes=number), attempt=number + 1, **over) for number in range(3))]


@pytest.fixture
async def database(postgres) -> AsyncIterator[tuple[str, AsyncEngine]]:
    async with migrated_database(postgres.url) as (settings, engine):
        async with engine.begin() as connection:
            for back in (1, 3, 4):  # of the others some lie in the partition for all others
                await connection.execute(text("SELECT ensure_llm_calls_month(:day)"), {"day": month(back).date()})
        await PostgresLLMCallSink(engine).write(history())
        yield settings.url or "", engine


def figures(answer: UsageAnswer) -> list[object]:
    return [(group.keys, group.start, group.llm_calls, group.invocations) for group in (*answer.groups, answer.total)]


async def told(engine: AsyncEngine) -> list[list[object]]:
    return [figures(await PostgresUsageAnswers(engine).answer(question)) for question in EVERY]


async def scalar(engine: AsyncEngine, query: str) -> object:
    async with engine.connect() as connection:
        return (await connection.execute(text(query))).scalar_one()


async def drop(engine: AsyncEngine, keep_months: int = 2) -> None:
    retention = PostgresRetention(engine)
    plan = await retention.plan(keep_months)
    async for _ in retention.roll(plan):
        pass
    await retention.check_rollups(plan)
    assert await retention.drop(plan)


async def roll_all(engine: AsyncEngine) -> None:
    roller = PostgresUsageRoller(engine)
    for _ in range(20):
        rolled = await roller.roll()
        if (
            rolled is not None
            and not rolled.days
            and not rolled.weeks
            and not rolled.months
            and not (await roller.marked()).days
        ):
            return
    raise AssertionError("there is no end to rolling")


async def test_a_dry_run_tells_and_a_run_drops_and_all_answers_stay(database, feedback_says):
    url, engine = database
    before = await told(engine)
    count = await scalar(engine, "SELECT count(*) FROM llm_calls")

    tried = await asyncio.to_thread(feedback_says, "retention", "--keep-months", 2, "--dry-run", DATABASE_URL=url)
    assert tried.code == 0, tried
    assert f"{OLD:%Y-%m}" in tried.out
    assert "Nothing was dropped" in tried.out
    assert await scalar(engine, "SELECT count(*) FROM llm_calls") == count

    done = await asyncio.to_thread(feedback_says, "retention", "--keep-months", 2, "--yes", DATABASE_URL=url)
    assert done.code == 0, done
    assert f"kept from {KEPT_FROM:%Y-%m-%d} on" in done.out
    old = sum(one.timestamp < KEPT_FROM for one in history())
    assert f"{old} LLM calls were dropped" in done.out
    assert await scalar(engine, "SELECT count(*) FROM llm_calls") == count - old
    assert await scalar(engine, f"SELECT to_regclass('llm_calls_{OLD:%Y%m}') IS NULL")
    assert await told(engine) == before

    again = await asyncio.to_thread(feedback_says, "retention", "--keep-months", 2, "--yes", DATABASE_URL=url)
    assert (again.code, "nothing is older" in again.out) == (0, True), again
    more = await asyncio.to_thread(feedback_says, "retention", "--keep-months", 12, "--yes", DATABASE_URL=url)
    assert (more.code, "nothing is older" in more.out) == (0, True), more
    assert await told(engine) == before


async def test_an_invocation_over_the_boundary_is_not_doubled_when_its_later_calls_are_touched(database):
    _, engine = database
    before = await told(engine)
    await drop(engine)
    async with engine.begin() as connection:  # marks the day on which it began, which is dropped
        await connection.execute(text("UPDATE llm_calls SET trace_id = trace_id WHERE operation = 'analyze'"))
    assert await told(engine) == before
    await roll_all(engine)
    assert await told(engine) == before
    assert await scalar(engine, "SELECT count(*) FROM usage_marks WHERE unit = 'day'") == 0

    began = KEPT_FROM - timedelta(minutes=30)
    later = call(KEPT_FROM + timedelta(minutes=5), invocation_started_at=began, operation="late")
    assert (await PostgresLLMCallSink(engine).write([later])).inserted == 1
    question = UsageQuestion(EVER, filters={"operation": ("late",)})
    for _ in range(2):
        total = (await PostgresUsageAnswers(engine).answer(question)).total
        # The call counts on its day; the invocation's day is not counted anew.
        assert (total.llm_calls.total, total.invocations.total) == (1, 0)
        # Nor is it where the window begins in that day: the tenant has no rollup of it, so nothing is missing.
        cut = Window(KEPT_FROM - timedelta(hours=1), THIS_MONTH)
        own = UsageQuestion(cut, filters={"operation": ("late",), "tenant": (later.tenant_id,)})
        total = (await PostgresUsageAnswers(engine).answer(own)).total
        assert (total.llm_calls.total, total.invocations.total) == (1, 0)
        await roll_all(engine)


async def test_a_late_event_of_a_dropped_month_is_a_dead_letter_that_says_so(database):
    _, engine = database
    await drop(engine)
    before = await told(engine)
    publisher = FakePublisher()
    settler = BatchSettler(llm_call_tables(PostgresLLMCallSink(engine)), publisher, Progress())
    late, good = call(OLD + timedelta(days=2)), call(KEPT_FROM + timedelta(days=2), tenant_id="new")
    sent = [InboundMessage("llm.calls", 0, n, None, None, one.to_bytes()) for n, one in enumerate((late, good))]
    await settler.settle(sent)

    [buried] = publisher.acknowledged
    letter = DeadLetter.model_validate_json(buried.value or b"")
    assert (letter.reason, letter.source.offset) == ("not_storable", 0)
    assert "month whose LLM calls were dropped" in letter.message
    async with engine.begin() as connection:  # and no partition brings the month back
        assert not (
            await connection.execute(text("SELECT ensure_llm_calls_month(:day)"), {"day": OLD.date()})
        ).scalar_one()
    assert (await PostgresLLMCallSink(engine).write([late])).refused == (0,)
    of_others = UsageQuestion(EVER, group_by=("tenant",), filters={"tenant": ("alder", "birch")})
    assert figures(await PostgresUsageAnswers(engine).answer(of_others))[:-1] == before[0][:-1]


@pytest.mark.parametrize(
    ("question", "remedy"),
    [
        (UsageQuestion(Window(OLD + timedelta(hours=8), THIS_MONTH)), "from midnight to midnight in UTC"),
        (UsageQuestion(Window(OLD, THIS_MONTH), unit="hour"), "group by day, week or month of the zone UTC"),
        (UsageQuestion(Window(OLD, THIS_MONTH), unit="day", zone=ZoneInfo("Asia/Kolkata")), "zone UTC"),
        (UsageQuestion(Window(OLD, THIS_MONTH), ingested_before=KEPT_FROM), "Ask without it"),
    ],
)
async def test_what_takes_single_calls_of_a_dropped_month_is_refused_with_what_is_allowed(database, question, remedy):
    _, engine = database
    answers = PostgresUsageAnswers(engine)
    await answers.answer(question)
    await drop(engine)
    with pytest.raises(DroppedCallsError, match=remedy) as caught:
        await answers.answer(question)
    assert f"{KEPT_FROM:%Y-%m-%d}" in caught.value.message
    # Of a tenant who had nothing there, nothing is missing.
    own = UsageQuestion(question.window, filters={"tenant": ("nobody",)}, unit=question.unit, zone=question.zone)
    assert (await answers.answer(own)).total.llm_calls.total == 0


async def test_rollups_that_do_not_add_up_keep_the_rows(database, feedback_says):
    url, engine = database
    await roll_all(engine)
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE usage_daily SET attempts = attempts - 1 WHERE view = 'llm_calls' AND day = :day"),
            {"day": OLD.date()},
        )
    done = await asyncio.to_thread(feedback_says, "retention", "--keep-months", 2, "--yes", DATABASE_URL=url)
    done.assert_one_sentence("do not add up", f"{OLD:%Y-%m}", "Nothing was dropped")
    assert await scalar(engine, "SELECT count(*) FROM llm_calls") == len(history())
    assert await scalar(engine, "SELECT count(*) FROM usage_retention") == 0


async def test_what_is_stored_between_the_counting_and_the_dropping_is_not_lost(database):
    _, engine = database
    retention = PostgresRetention(engine)
    plan = await retention.plan(2)
    async for _ in retention.roll(plan):
        pass
    await PostgresLLMCallSink(engine).write([call(OLD + timedelta(days=2), tenant_id="in-between")])
    assert await retention.drop(plan) is False
    assert await scalar(engine, "SELECT count(*) FROM usage_retention") == 0
    await drop(engine)
    answer = await PostgresUsageAnswers(engine).answer(UsageQuestion(EVER, filters={"tenant": ("in-between",)}))
    assert answer.total.llm_calls.total == 1


async def test_a_month_that_gets_its_partition_meanwhile_goes_too(database):
    _, engine = database
    retention = PostgresRetention(engine)
    await PostgresLLMCallSink(engine).write([call(month(30))])
    plan = await retention.plan(2)
    async for _ in retention.roll(plan):
        pass
    async with engine.begin() as connection:
        await connection.execute(text("SELECT ensure_llm_calls_month(:day)"), {"day": month(30).date()})
    assert await retention.drop(plan) is True
    assert await scalar(engine, 'SELECT min("timestamp") FROM llm_calls') >= KEPT_FROM


async def test_it_waits_for_writers_and_readers_who_are_at_it(database):
    _, engine = database
    retention = PostgresRetention(engine)
    plan = await retention.plan(2)
    async for _ in retention.roll(plan):
        pass
    async with engine.connect() as reader:
        await reader.execute(text("SELECT count(*) FROM llm_calls"))
        dropping = asyncio.create_task(retention.drop(plan))
        async with engine.connect() as watcher, asyncio.timeout(30):
            waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'llm_calls'::regclass"
            while not (await watcher.execute(text(waits))).scalar_one():
                await watcher.rollback()
        assert not dropping.done()
        await reader.rollback()
    assert await dropping


@pytest.mark.parametrize("months", ["0", "-3", "many", "1.5", "99999999999"])
async def test_a_mistaken_number_is_one_line(months, feedback_says):
    ended = await asyncio.to_thread(feedback_says, "retention", "--keep-months", months, "--yes")
    ended.assert_one_sentence("--keep-months")


async def test_nobody_is_dropped_without_being_asked_and_only_by_the_owner(database, feedback_says):
    url, engine = database
    ended = await asyncio.to_thread(feedback_says, "retention", "--keep-months", 2, DATABASE_URL=url)
    ended.assert_one_sentence("--yes")
    async with login(engine, url, "feedback_roller") as settings, engine_of(settings) as other:
        await PostgresRetention(other).plan(2)
        with pytest.raises(UserError, match="Only the owner"):
            await PostgresRetention(other).check_owner()
