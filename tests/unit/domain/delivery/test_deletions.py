"""What was deleted unread is told, all of it and once; gaps that prove nothing are not."""

import asyncio
from types import SimpleNamespace
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from domain.delivery.deletion_watch import DeletionWatch
from domain.delivery.deletions import Deletions


class Place(NamedTuple):
    topic: str
    partition: int


P0, P1 = Place("records", 0), Place("records", 1)


def at(*offsets: int) -> list[SimpleNamespace]:
    return [SimpleNamespace(offset=offset) for offset in offsets]


def told(deletions: Deletions[Place], beginnings: dict[Place, int]) -> list[tuple[Place, int, int]]:
    return [tuple(one) for one in deletions.resolve(deletions.suspicions(), beginnings)]


def test_a_gap_is_a_loss_only_below_the_beginning():
    deletions: Deletions[Place] = Deletions()
    deletions.assigned({P0: 5, P1: 0})
    deletions.arrived(P0, at(5, 6, 9, 20))
    deletions.arrived(P1, at(0, 1))
    assert told(deletions, {P0: 12}) == [(P0, 7, 9), (P0, 10, 12)]
    assert deletions.suspicions() == []


def test_an_empty_partition_tells_what_is_gone_and_one_without_an_offset_nothing():
    deletions: Deletions[Place] = Deletions()
    deletions.assigned({P0: 5, P1: None})
    assert told(deletions, {P0: 30, P1: 30}) == [(P0, 5, 30)]
    deletions.arrived(P1, at(32))  # from now on its messages are expected
    assert told(deletions, {P1: 32}) == [(P1, 30, 32)]


def test_what_kafka_does_not_answer_is_asked_again_and_an_old_answer_settles_nothing_new():
    deletions: Deletions[Place] = Deletions()
    deletions.assigned({P0: 5})
    asked = deletions.suspicions()
    assert told(deletions, {}) == []
    deletions.arrived(P0, at(9))
    assert deletions.resolve(asked, {P0: 5}) == []
    deletions.revoked()
    assert told(deletions, {P0: 9}) == [(P0, 5, 9)]


def test_what_was_in_flight_at_a_rebalance_and_is_gone_now_is_told_and_no_more():
    deletions: Deletions[Place] = Deletions()
    deletions.assigned({P0: 5})
    deletions.arrived(P0, at(5, 6, 10))
    assert told(deletions, {P0: 10}) == [(P0, 7, 10)]
    deletions.assigned({P0: 5})
    assert told(deletions, {P0: 11}) == [(P0, 5, 7), (P0, 10, 11)]


def test_a_topic_that_was_made_anew_may_lose_the_same_offsets_again():
    deletions: Deletions[Place] = Deletions()
    deletions.assigned({P0: 0})
    assert told(deletions, {P0: 10}) == [(P0, 0, 10)]
    deletions.assigned({P0: 0})
    assert told(deletions, {P0: 4}) == [(P0, 0, 4)]


def test_what_is_lost_right_behind_the_groups_place_may_be_passed():
    deletions: Deletions[Place] = Deletions()
    deletions.assigned({P0: 5, P1: None})
    assert deletions.passing({}) == {}
    told(deletions, {P0: 30, P1: 30})
    assert deletions.passing({}) == {P0: 30}
    deletions.arrived(P0, at(30, 31))
    assert deletions.passing({}) == {P0: 30}
    assert deletions.passing({P0: 31, P1: 40}) == {P0: 31, P1: 40}


def test_nothing_unfinished_is_passed():
    deletions: Deletions[Place] = Deletions()
    deletions.assigned({P0: 5})
    deletions.arrived(P0, at(5, 6, 9, 12))
    told(deletions, {P0: 12})
    assert deletions.passing({}) == {}
    assert deletions.passing({P0: 6}) == {P0: 6}
    assert deletions.passing({P0: 7}) == {P0: 9}
    assert deletions.passing({P0: 10}) == {P0: 12}


def test_what_arrives_after_all_is_not_passed():
    deletions: Deletions[Place] = Deletions()
    deletions.assigned({P0: 5})
    told(deletions, {P0: 30})
    deletions.arrived(P0, at(5, 6))  # fetched before it was deleted, or of another topic of that name
    assert deletions.passing({}) == {}


def test_what_was_asked_in_an_earlier_assignment_passes_nothing_in_a_later_one():
    deletions: Deletions[Place] = Deletions()
    deletions.assigned({P0: 5})
    deletions.arrived(P0, at(9))
    asked = deletions.suspicions()
    deletions.assigned({P0: 5})
    assert [tuple(one) for one in deletions.resolve(asked, {P0: 9})] == [(P0, 5, 9)]
    assert deletions.passing({}) == {}
    told(deletions, {P0: 9})
    assert deletions.passing({}) == {P0: 9}  # asked in this one
    deletions.revoked()
    assert deletions.passing({}) == {}


def test_one_message_is_one():
    deletions: Deletions[Place] = Deletions()
    deletions.assigned({P0: 5})
    [one] = deletions.resolve(deletions.suspicions(), {P0: 6})
    assert (
        one.as_loss == "1 message of records partition 0 was deleted before it was read (offset 5); it has no outcome"
    )


async def test_nobody_is_asked_without_a_suspicion_and_a_failure_is_asked_again():
    asked: list[Place] = []
    lost: list[int] = []

    async def beginning(place: Place) -> int:
        asked.append(place)
        if asked.count(place) == 1 and place == P0:
            raise ConnectionError
        return 8

    watch = DeletionWatch(beginning, lost.append)
    watch.assigned({P0: 5, P1: 6})
    await watch.look()
    assert (sorted(asked), lost) == ([P0, P1], [2])
    await watch.look()
    assert (asked[2:], lost) == ([P0], [2, 3])
    watch.arrived({P0: at(8, 9), P1: at(8)})
    watch.arrived({P0: at(10), P1: []})
    await watch.look()
    assert len(asked) == 3


async def test_it_looks_as_soon_as_there_is_a_suspicion():
    asked: asyncio.Queue[Place] = asyncio.Queue()

    async def beginning(place: Place) -> int:
        asked.put_nowait(place)
        return 8

    watch = DeletionWatch(beginning, lambda _: None)
    running = asyncio.create_task(watch.run())
    watch.assigned({P0: 8})
    async with asyncio.timeout(10):
        assert await asked.get() == P0
        watch.arrived({P0: at(10)})
        assert await asked.get() == P0
    running.cancel()


async def test_the_last_look_waits_for_no_broker_that_is_away(caplog):
    watch: DeletionWatch[Place] = DeletionWatch(lambda _: asyncio.Event().wait(), lambda _: None)  # type: ignore[arg-type, return-value]
    watch.assigned({P0: 5})
    await watch.last_look()
    assert "did not tell in time" in caplog.text


class Broker:
    """One partition, with messages and markers, and one reader of a group on it."""

    def __init__(self, committed: int) -> None:
        self.messages: set[int] = set(range(committed + 3))
        self.end = committed + 3
        self.beginning = 0
        self.committed = committed
        self.position = committed
        self.reached = committed  # behind the last message that was handed over: a reader sent on has reached nothing
        self.unread = set(range(committed, self.end))  # not handed over since the assignment
        self.lost: set[int] = set()
        self.told: list[int] = []
        self.deletions: Deletions[Place] = Deletions()
        self.asked: tuple[list, int] | None = None
        self.deletions.assigned({P0: committed})
        self.look()

    def publish(self, count: int) -> None:
        fresh = range(self.end, self.end + count)
        self.messages |= set(fresh)
        self.unread |= set(fresh)
        self.end += count

    def mark(self, count: int) -> None:
        """Offsets without a message, as transactions leave them."""
        self.end += count

    def delete(self, count: int) -> None:
        """Retention; a moment of quiet, in which a question that is under way is answered, follows each delivery."""
        self.beginning = min(self.end, self.beginning + count)
        self.lost |= {offset for offset in self.unread if offset < self.beginning}

    def deliver(self, count: int) -> None:
        self.position = max(self.position, self.beginning)
        there = sorted(offset for offset in self.messages if offset >= self.position)[:count]
        if there:
            self.deletions.arrived(P0, at(*there))
            self.unread -= set(there)
            self.position = self.reached = there[-1] + 1

    def commit(self, back: int) -> None:
        self.committed = max(self.committed, self.reached - back)

    def assign(self, _: int) -> None:
        self.deletions.revoked()
        self.deletions.assigned({P0: self.committed})
        self.position = self.reached = self.committed
        self.unread |= {offset for offset in self.messages if offset >= self.committed} - self.lost
        self.lost |= {offset for offset in self.unread if offset < self.beginning}
        self.look()

    def ask(self, _: int) -> None:
        self.asked = self.deletions.suspicions(), self.beginning

    def answer(self, _: int) -> None:
        if self.asked:
            asked, beginning = self.asked
            self.asked = None
            self.note(asked, beginning)

    def look(self, _: int = 0) -> None:
        self.note(self.deletions.suspicions(), self.beginning)

    def note(self, asked: list, beginning: int) -> None:
        for span in self.deletions.resolve(asked, {P0: beginning}):
            self.told += range(span.first, span.end)


STEPS = ("publish", "mark", "delete", "deliver", "commit", "assign", "ask", "answer", "look")


@given(st.integers(0, 5), st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 6)), max_size=60))
def test_every_deleted_message_is_told_once_and_no_other_whatever_happens_in_which_order(committed, steps):
    broker = Broker(committed)
    for step, count in steps:
        getattr(broker, step)(count)
        if step == "deliver":
            broker.ask(0)
            if count % 2:
                broker.answer(0)
    broker.publish(1)
    broker.deliver(len(broker.messages))
    broker.answer(0)
    broker.look()
    assert len(broker.told) == len(set(broker.told))
    assert {offset for offset in broker.told if offset in broker.messages} == broker.lost
    assert all(offset < broker.beginning for offset in broker.told)
