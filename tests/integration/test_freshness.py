"""What an answer says of its freshness: what a consumer told on its way from a real broker to a real database."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.positions import PostgresPositionSink
from adapters.postgres.rights import STORING_CALLS
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.postgres.usage.roller import PostgresUsageRoller
from consumers import positions as telling
from domain.errors import SinkUnavailableError
from domain.usage.freshness import STORING_SECONDS, Freshness, Position
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window
from runtime.settings import load_settings
from runtime.wiring.parts import patient_engine
from tests.integration.llm_calls_support import PARTITIONS, a_rig
from tests.integration.system_support import eventually
from tests.usage_support import NOON, llm_call, many_calls, migrated_database

DAY = UsageQuestion(Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12)))


@pytest.fixture
async def rig(kafka, postgres, monkeypatch):
    monkeypatch.setattr(telling, "TELL_SECONDS", 0.05)
    async with a_rig(kafka.bootstrap_servers, postgres.url) as rig:
        yield rig


async def fresh(rig, question: UsageQuestion = DAY) -> Freshness:
    return (await PostgresUsageAnswers(rig.engine).answer(question)).freshness


class HeldUp:
    """Takes nothing before it may."""

    def __init__(self, sink: PostgresLLMCallSink) -> None:
        self.may = asyncio.Event()
        self._sink = sink

    async def write(self, batch):
        if not self.may.is_set():
            raise SinkUnavailableError("The database cannot take LLM calls now.")
        return await self._sink.write(batch)


async def test_the_lag_is_what_is_not_stored_yet_and_is_told_while_nothing_is_done_and_at_the_end(rig):
    assert (await fresh(rig)).lag is None
    async with rig.consuming(positions=PostgresPositionSink(rig.engine)):
        await eventually(lambda: lag_is(rig, 0))  # it has nothing to do, and tells it
        idle = await fresh(rig)
        await eventually(lambda: told_after(rig, idle.lag_as_of))
    held = HeldUp(PostgresLLMCallSink(rig.engine))
    async with rig.consuming(held, positions=PostgresPositionSink(rig.engine), max_rows=2):
        await rig.send(*many_calls(9))
        await eventually(lambda: lag_is(rig, 9))  # it has read them, and they are not stored
        assert await rig.rows() == 0
        held.may.set()
        await eventually(lambda: lag_is(rig, 0))
        assert await rig.rows() == 9


async def lag_is(rig, lag: int) -> bool:
    return (await fresh(rig)).lag == lag


async def told_after(rig, moment: datetime) -> bool:
    return (await fresh(rig)).lag_as_of > moment


async def test_what_was_stored_last_is_told_before_the_consumer_ends(rig, monkeypatch):
    monkeypatch.setattr(telling, "TELL_SECONDS", 3600)
    async with rig.consuming(positions=PostgresPositionSink(rig.engine)) as progress:
        await rig.send(*many_calls(PARTITIONS))
        await eventually(lambda: progress.stored == PARTITIONS)
    async with rig.engine.connect() as connection:
        told = await connection.execute(text("SELECT sum(next_offset), sum(end_offset) FROM consumer_positions"))
        assert told.one() == (PARTITIONS, PARTITIONS)


async def test_nothing_depends_on_it_that_it_can_be_told(rig):
    class Refusing:
        async def write(self, _) -> None:
            raise RuntimeError("no")

    async with rig.consuming(positions=Refusing()) as progress:
        await rig.send(*many_calls(2))
        await eventually(lambda: progress.stored == 2 and progress.untold >= 2)
    assert (await fresh(rig)).lag is None


@pytest.fixture
async def stored(postgres):
    async with migrated_database(postgres.url) as (_, engine):
        yield Stored(engine)


class Stored:
    """Calls in a table, as stored at moments that the test chooses."""

    def __init__(self, engine) -> None:
        self.engine = engine

    async def store(self, at: datetime, *calls) -> None:
        rows = {call.call_id: call for call in calls}
        await PostgresLLMCallSink(self.engine).write(list(rows.values()))
        async with self.engine.begin() as connection:
            change = text("UPDATE llm_calls SET created_at = :at WHERE call_id = ANY(:ids)")
            await connection.execute(change, {"at": at, "ids": list(rows)})

    async def roll(self) -> None:
        while (rolled := await PostgresUsageRoller(self.engine).roll()) and (
            rolled.days or rolled.weeks or rolled.months
        ):
            pass


SOON, LATE = NOON + timedelta(minutes=1), NOON + timedelta(hours=3)


async def test_an_answer_says_what_came_late_until_when_and_how_many_days_are_counted_from_rows(stored):
    await stored.store(SOON, llm_call(tenant_id="a"), llm_call(tenant_id="b"))
    await stored.roll()
    await stored.store(LATE, llm_call(tenant_id="a"))

    everything = await fresh(stored)
    of_b = await fresh(stored, UsageQuestion(DAY.window, filters={"tenant": ("b",)}))
    assert (everything.late, everything.stored_until, everything.marked_days) == (1, LATE, 1)
    assert (of_b.late, of_b.stored_until, of_b.marked_days) == (0, SOON, 0)
    early = await fresh(stored, UsageQuestion(DAY.window, ingested_before=LATE))
    assert (early.late, early.stored_until, early.marked_days) == (0, SOON, 1)
    await stored.roll()
    rolled = await fresh(stored)
    assert (rolled.late, rolled.stored_until, rolled.marked_days) == (1, LATE, 0)
    elsewhere = await fresh(stored, UsageQuestion(Window(NOON + timedelta(days=9), NOON + timedelta(days=10))))
    assert (elsewhere.late, elsewhere.stored_until, elsewhere.marked_days) == (0, None, 0)


async def test_a_report_of_what_has_settled_is_the_same_to_the_byte_after_late_rows_and_rolls(stored):
    calls = [llm_call(tenant_id=f"t{n % 3}", timestamp=NOON + timedelta(hours=n)) for n in range(30)]
    await stored.store(SOON, *calls)
    asked = UsageQuestion(
        Window(NOON - timedelta(days=1), NOON + timedelta(days=3)),
        group_by=("tenant",),
        unit="day",
        ingested_before=datetime.now(UTC) - timedelta(minutes=5),
    )
    answers = PostgresUsageAnswers(stored.engine)

    async def report() -> str:
        answer = await answers.answer(asked)
        assert answer.freshness.reproducible is True
        return answer.model_dump_json(exclude={"as_of", "freshness"})

    first = await report()
    await stored.roll()
    assert await report() == first
    await stored.store(datetime.now(UTC), *(call.model_copy(update={"call_id": llm_call().call_id}) for call in calls))
    assert await report() == first
    await stored.roll()
    assert await report() == first
    now = await answers.answer(UsageQuestion(asked.window, ingested_before=datetime.now(UTC)))
    assert now.total.llm_calls.total == 2 * len(calls)
    assert now.freshness.reproducible is False


async def test_a_lag_told_long_ago_is_not_known_and_a_partition_that_is_gone_does_not_count(stored):
    sink = PostgresPositionSink(stored.engine)
    await sink.write([Position("llm.calls", number, 5, 8) for number in range(3)])
    assert (await fresh(stored)).lag == 9
    await grown_old(stored, "1 hour", "partition = 2")
    assert (await fresh(stored)).lag == 6
    await grown_old(stored, "2 minutes", "partition < 2")
    found = await fresh(stored)
    assert found.lag is None
    assert found.lag_as_of is not None


async def grown_old(stored, by: str, which: str) -> None:
    async with stored.engine.begin() as connection:
        change = f"UPDATE consumer_positions SET seen_at = seen_at - interval '{by}' WHERE {which}"  # noqa: S608
        await connection.execute(text(change))


async def test_the_server_itself_ends_a_statement_of_the_consumer_that_takes_too_long(postgres):
    async with migrated_database(postgres.url) as (database, _):
        settings = load_settings(database_url=database.url)
        async with patient_engine(settings, STORING_CALLS, STORING_SECONDS) as engine, engine.connect() as connection:
            assert (await connection.execute(text("SHOW statement_timeout"))).scalar_one() == "1min"
