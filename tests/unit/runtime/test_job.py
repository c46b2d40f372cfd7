"""A job from its first record to its end: what it waits for, for how long, and what it says of what did not come."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from functools import partial
from uuid import UUID, uuid4

import pytest

from domain.errors import BrokerUnavailableError, UsageUnavailableError
from domain.ports import OutboundMessage
from runtime.job.job import Job
from runtime.job.ledger import Ledger, dead_letter_of_call
from runtime.job.records_file import FileRecord
from runtime.job.rows import ASKED_AT_ONCE, Rows
from schemas.cloudevents import deterministic_id, identify
from schemas.operations import RecordOperation
from schemas.topics import RECORDS
from tests.fakes import FakeClock, FakePublisher

GIVE_UP_AFTER = 10.0
Step = Callable[[], None]


class Scene:
    """A job of some records to be summarised, on a clock that moves only where the job sleeps.

    Attributes:
        steps: what happens in the world, one step with each sleep of the job; the last one again and again.
        away: whether the database is.
        stored: the calls that have a row.
        asked: the calls that the database was asked for, by question.
    """

    def __init__(self, records: int = 1) -> None:
        self.clock = FakeClock()
        self.ledger = Ledger("run")
        self.publisher = FakePublisher()
        self.records = [
            FileRecord(line, f"r{line}", "t", (RecordOperation.SUMMARIZE,), {}) for line in range(1, records + 1)
        ]
        self.stored: set[UUID] = set()
        self.asked: list[list[UUID]] = []
        self.away = False
        self.steps: list[Step] = []
        self.catch_up: Callable[[], Awaitable[None]] = partial(asyncio.sleep, 0)
        self.rows = Rows(self.ledger, self._find, clock=self.clock, sleep=self._sleep)

    def job(self, give_up_after: float = GIVE_UP_AFTER) -> Job:
        publisher = nullcontext(self.publisher)
        return Job(
            self.ledger,
            self,
            publisher,
            self.rows,
            lambda ledger, stored: None,
            give_up_after,
            clock=self.clock,
            sleep=self._sleep,
        )

    async def ended(self, give_up_after: float = GIVE_UP_AFTER) -> Job:
        job = self.job(give_up_after)
        async with asyncio.timeout(20):
            await job.run([], self.records)
        return job

    async def start(self) -> None:
        """Of the follower."""

    async def run(self) -> None:
        """Of the follower: it is told of everything by the steps."""
        await asyncio.Event().wait()

    async def caught_up(self) -> None:
        """Of the follower."""
        await self.catch_up()

    async def stop(self) -> None:
        """Of the follower."""

    async def _sleep(self, seconds: float) -> None:
        if self.steps:
            self.steps.pop(0)()
        await self.clock.sleep(seconds)

    async def _find(self, calls: Sequence[UUID]) -> set[UUID]:
        self.asked.append(list(calls))
        if self.away:
            raise UsageUnavailableError("The database did not answer.")
        return self.stored & set(calls)

    def call(self, *, stored: bool) -> UUID:
        """A call is made for the first record."""
        [message, *_] = [one for one in self.publisher.acknowledged if one.topic == RECORDS.name]
        call = uuid4()
        self.ledger.llm_call(call, identity_of(message).trace_id)
        if stored:
            self.stored.add(call)
        return call

    def outcome(self, number: int = 0) -> None:
        """A record has its summary."""
        event_id = identity_of(self.publisher.acknowledged[number]).event_id
        self.ledger.result(deterministic_id(event_id, "summarize"))


def identity_of(message: OutboundMessage):
    return identify(RECORDS.name, None, None, message.headers)


async def test_it_ends_when_each_record_has_its_outcome_and_each_call_its_row():
    scene = Scene(2)
    scene.steps = [lambda: scene.call(stored=True), scene.outcome, partial(scene.outcome, 1)]
    job = await scene.ended()
    report = await job.report()
    assert (job.gave_up, report.complete, report.remarks) == (False, True, [])
    assert report.last_line("run") == "run: records=2 outcomes=2 lost=0 dead_letters=0 llm_calls=1 rows=1"


async def test_calls_that_fail_again_and_again_are_no_outcomes():
    """A provider that is down: each attempt, and each probe of the breaker, is a call with its row."""
    scene = Scene(2)
    scene.steps = [scene.outcome, *[lambda: scene.call(stored=True)] * 1000]
    job = await scene.ended()
    assert job.gave_up
    assert GIVE_UP_AFTER <= scene.clock.seconds < GIVE_UP_AFTER + 2
    report = await job.report()
    assert (report.outcomes, report.complete) == (1, False)
    assert report.rows == report.llm_calls > 20


async def test_each_outcome_and_then_each_row_gives_it_time_anew():
    scene = Scene(3)
    wait = [lambda: None] * 30  # 9 seconds
    scene.steps = [lambda: [scene.call(stored=False) for _ in range(3)]]

    def a_row() -> None:
        scene.stored.add(next(iter(scene.ledger.calls - scene.stored)))

    for outcome in range(3):
        scene.steps += [*wait, partial(scene.outcome, outcome)]
    for _ in range(3):
        scene.steps += [*wait, a_row]
    job = await scene.ended()
    assert (job.gave_up, (await job.report()).complete) == (False, True)
    assert scene.clock.seconds > 5 * GIVE_UP_AFTER


@pytest.mark.parametrize("stored", [0, 2])
async def test_rows_that_do_not_come_are_not_waited_for_for_ever(stored):
    scene = Scene()
    scene.steps = [lambda: [scene.call(stored=number < stored) for number in range(3)], scene.outcome]
    job = await scene.ended()
    report = await job.report()
    assert (job.gave_up, report.complete, report.rows, report.llm_calls) == (True, False, stored, 3)


async def test_a_call_that_the_database_refused_is_not_waited_for():
    scene = Scene()
    scene.steps = [lambda: scene.ledger.refused_call(dead_letter_of_call(scene.call(stored=False))), scene.outcome]
    job = await scene.ended()
    assert not job.gave_up
    assert not (await job.report()).complete


async def test_without_a_bound_it_waits_until_it_comes():
    scene = Scene()
    scene.steps = [*[lambda: None] * 10_000, scene.outcome]
    job = await scene.ended(give_up_after=0)
    assert not job.gave_up
    assert scene.clock.seconds > 1000


async def test_a_short_outage_of_the_database_is_no_news():
    scene = Scene()

    def away(*, now: bool) -> None:
        scene.away = now

    scene.steps = [lambda: scene.call(stored=True), partial(away, now=True), scene.outcome, *[lambda: None] * 20]
    scene.steps.append(partial(away, now=False))
    job = await scene.ended()
    report = await job.report()
    assert (job.gave_up, report.complete, report.rows_counted) == (False, True, True)


async def test_a_database_that_stays_away_leaves_the_rows_unconfirmed():
    scene = Scene()
    scene.steps = [lambda: scene.call(stored=True), lambda: None, lambda: setattr(scene, "away", True)]
    scene.steps += [lambda: scene.call(stored=True), scene.outcome]
    job = await scene.ended()
    report = await job.report()
    assert (job.gave_up, report.complete, report.rows_counted) == (True, False, False)
    assert (report.rows, report.llm_calls) == (1, 2)
    [remark] = report.remarks
    assert "did not answer" in remark
    assert scene.clock.seconds < 60


async def test_what_was_confirmed_before_the_database_went_away_is_confirmed():
    scene = Scene()
    scene.steps = [lambda: scene.call(stored=True), scene.outcome]
    job = await scene.ended()
    scene.away = True
    report = await job.report()
    assert (report.complete, report.rows, report.rows_counted) == (True, 1, False)


async def test_rows_that_come_while_it_gives_up_count():
    scene = Scene()
    scene.steps = [lambda: scene.call(stored=False), scene.outcome]
    job = await scene.ended()
    scene.stored |= scene.ledger.calls
    assert job.gave_up
    assert (await job.report()).complete


async def test_topics_that_cannot_be_read_to_their_end_are_bounded_and_never_complete():
    scene = Scene()
    scene.steps = [scene.outcome]
    scene.catch_up = asyncio.Event().wait
    job = await scene.ended(give_up_after=0.4)
    report = await job.report()
    assert (job.gave_up, report.outcomes, report.rows, report.llm_calls) == (True, 1, 0, 0)
    assert not report.complete


async def test_a_kafka_that_fails_ends_it_with_its_sentence():
    async def fail() -> None:
        raise BrokerUnavailableError("Kafka cannot be read any more: KafkaTimeoutError.")

    scene = Scene()
    scene.steps, scene.catch_up = [scene.outcome], fail
    with pytest.raises(BrokerUnavailableError, match="KafkaTimeoutError"):
        await scene.ended()


async def test_many_calls_without_a_row_are_asked_for_in_turn_and_with_pauses():
    """The first five thousand never get their rows; those behind them do, and are seen."""
    scene = Scene()
    many = 2 * ASKED_AT_ONCE + 1000

    def make() -> None:
        for _ in range(many):
            scene.call(stored=False)

    def store_all_but_those_asked_first() -> None:
        scene.stored |= scene.ledger.calls - set(scene.asked[0])

    scene.steps = [make, store_all_but_those_asked_first, scene.outcome]
    job = await scene.ended()
    assert job.gave_up
    assert len(scene.rows.seen) == many - ASKED_AT_ONCE
    assert max(map(len, scene.asked)) == ASKED_AT_ONCE
    pauses = len(scene.clock.slept)
    assert len(scene.asked) <= pauses + 3  # only the rounds that found something went on at once
    report = await job.report()
    assert report.rows == many - ASKED_AT_ONCE


async def test_a_kafka_that_takes_no_further_record_is_not_waited_for_for_ever():
    scene = Scene(3)

    def take(message: OutboundMessage) -> None:
        if len(scene.publisher.acknowledged) == 2:
            scene.publisher.open.clear()
            asyncio.get_running_loop().call_later(0.45, setattr, scene.clock, "seconds", GIVE_UP_AFTER)

    scene.publisher.refuse = take
    job = await scene.ended()
    report = await job.report()
    assert (job.gave_up, report.published, report.outcomes, report.complete) == (True, 2, 0, False)
