"""The engine, with messages made by hand."""

import asyncio
from collections import deque
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from domain.errors import BrokerUnavailableError, BugError
from streams.drain import settle
from streams.in_order import InOrder
from streams.lease import Lease
from streams.status import WorkerStatus


class Handler:
    """Answers when the test says so."""

    def __init__(self):
        self.running = {}
        self.open = asyncio.Event()
        self.open.set()
        self.held = False

    async def ready_for_more(self):
        await self.open.wait()

    @contextmanager
    def reading_held(self):
        assert not self.held
        self.held = True
        try:
            yield
        finally:
            self.held = False

    async def handle(self, message):
        end = self.running[message.offset] = asyncio.get_running_loop().create_future()
        return await end


class Source:
    """A topic's messages, put in by hand."""

    def __init__(self):
        self.messages = deque()
        self.some = asyncio.Event()

    def put(self, message):
        self.messages.append(message)
        self.some.set()

    async def filled(self):
        while not self.messages:
            self.some.clear()
            await self.some.wait()

    def take(self):
        return self.messages.popleft() if self.messages else None


class Rig:
    """An engine with two sources."""

    def __init__(self, window=10):
        self.handler, self.status, self.epoch = Handler(), WorkerStatus(), 1
        self.source, self.other = Source(), Source()
        self.engine = InOrder(self.handler, window, lambda: self.epoch, self.status, Lease(60))
        self.consuming = [asyncio.create_task(self.engine.consume(s)) for s in (self.other, self.source)]

    def put(self, *offsets, epoch=1, timestamp=1.0):
        for offset in offsets:
            self.source.put(a_message(offset, epoch, timestamp))

    async def finish(self, *offsets, reach=None):
        for offset in offsets:
            self.handler.running[offset].set_result(reach)
        await turns()

    @property
    def released(self):
        return self.engine.released.get(("t", 0))


def a_message(offset, epoch=1, timestamp=1.0, topic="t"):
    return SimpleNamespace(
        topic=topic, partition=0, offset=offset, timestamp=timestamp, key=None, value=b"", headers=[],
        generation_id=epoch,
    )  # fmt: skip


async def turns():
    for _ in range(30):
        await asyncio.sleep(0)


@pytest.fixture
async def rig():
    rigs = []

    def make(**options):
        rigs.append(Rig(**options))
        return rigs[-1]

    yield make
    for made in rigs:
        for consuming in made.consuming:
            consuming.cancel()
        await made.engine.settle(0)


async def test_only_the_finished_prefix_is_released(rig):
    it = rig()
    it.put(5, 6, 8)
    await turns()
    await it.finish(6, 8)
    assert it.released is None
    assert it.status.in_flight == 1
    assert it.status.oldest_unfinished_seconds >= 0
    await it.finish(5)
    assert it.released == 9
    assert it.status.oldest_unfinished_seconds is None


async def test_what_shares_an_outcome_is_released_together(rig):
    it = rig()
    it.put(1, 2, 3, 4)
    await turns()
    await it.finish(1, 3, reach=3)
    assert it.released is None
    await it.finish(2)
    assert it.released == 4


async def test_window_counts_what_is_not_released(rig):
    it = rig(window=3)
    it.put(0, 1, 2, 3)
    await turns()
    await it.finish(1, 2)
    assert set(it.handler.running) == {0, 1, 2}
    await it.finish(0)
    assert 3 in it.handler.running


async def test_closed_gate_pulls_nothing_from_any_topic(rig):
    it = rig()
    it.handler.open.clear()
    it.put(0)
    it.other.put(a_message(7, topic="u"))
    await turns()
    assert not it.handler.running
    assert (len(it.source.messages), len(it.other.messages)) == (1, 1)
    it.handler.open.set()
    await turns()
    assert set(it.handler.running) == {0, 7}


async def test_what_a_rebalance_takes_away_before_the_gate_opens_is_not_missed(rig):
    it = rig(window=1)
    it.handler.open.clear()
    it.put(0)
    await turns()
    it.source.messages.clear()
    it.handler.open.set()
    await turns()
    it.put(1)
    await turns()
    assert set(it.handler.running) == {1}


async def test_an_idle_topic_takes_nothing_of_the_window(rig):
    it = rig(window=1)
    it.put(0)
    await turns()
    assert 0 in it.handler.running


async def test_an_impossible_timestamp_stops_nobody(rig):
    it = rig()
    it.put(0, timestamp=1.7e12)
    it.put(1, timestamp=-0.001)
    await turns()
    assert set(it.handler.running) == {0, 1}
    assert not it.engine.failed.done()


async def test_old_epochs_and_repeated_offsets_are_dropped_and_take_no_place(rig):
    it = rig(window=2)
    it.put(3, epoch=0)
    it.put(4, 4, 3)
    it.put(5)
    await turns()
    assert set(it.handler.running) == {4, 5}


async def test_forgotten_partitions_begin_anew_and_late_ends_change_nothing(rig):
    it = rig(window=2)
    it.put(0, 1)
    await turns()
    late = dict(it.handler.running)
    it.engine.forget()
    it.epoch = 2
    it.put(0, 1, epoch=2)
    await turns()
    late[0].set_result(None)
    late[1].set_result(None)
    await turns()
    assert it.released is None
    await it.finish(0, 1)
    assert it.released == 2


async def test_an_error_of_the_handler_stops_the_pulling_and_releases_nothing(rig):
    it = rig()
    it.put(0, 1)
    await turns()
    it.handler.running[0].set_exception(BrokerUnavailableError("gone"))
    await turns()
    assert isinstance(it.engine.failed.result(), BrokerUnavailableError)
    await it.finish(1)
    it.put(2)
    await turns()
    assert it.released is None
    assert 2 not in it.handler.running


async def test_an_error_of_the_gate_is_told_too(rig):
    it = rig()

    async def broken():
        raise ZeroDivisionError

    it.handler.ready_for_more = broken
    it.put(0)
    await turns()
    assert isinstance(it.engine.failed.result(), BugError)


async def test_a_bug_of_the_handler_is_told_without_what_it_quotes(rig, caplog):
    it = rig()
    it.put(0)
    await turns()
    it.handler.running[0].set_exception(ValueError("Amina at 0790123456"))
    await turns()
    error = it.engine.failed.result()
    assert isinstance(error, BugError)
    assert (error.__context__, error.__cause__) == (None, None)
    assert "ValueError" in error.message
    assert "Amina" not in error.message + caplog.text


async def test_a_cancellation_that_nobody_asked_for_stops_the_worker_and_one_of_ours_does_not(rig):
    it = rig(window=2)
    it.put(0, 1, 2)
    await turns()
    it.handler.running[0].cancel()  # as a future that it shares with others
    await turns()
    error = it.engine.failed.result()
    assert isinstance(error, BugError)
    assert "t partition 0 offset 0" in error.message
    assert it.released is None

    other = rig()
    other.put(0)
    await turns()
    await other.engine.settle(0)
    assert other.status.cancelled == 1
    assert not other.engine.failed.done()


async def test_reading_is_held_for_as_long_as_there_is_no_room_and_not_while_there_is_nothing_to_read(rig):
    it = rig(window=1)
    await turns()
    assert not it.handler.held
    it.put(0, 1)
    await turns()
    assert it.handler.held
    await it.finish(0)
    assert 1 in it.handler.running
    assert not it.handler.held


async def test_settling_waits_then_cancels(rig):
    it = rig()
    it.put(0, 1)
    await turns()
    settling = asyncio.create_task(it.engine.settle(0.05))
    await turns()
    it.handler.running[0].set_result(None)
    await settling
    assert it.released == 1
    assert (it.status.finished, it.status.cancelled, it.status.in_flight) == (1, 1, 0)


async def test_a_task_deaf_to_its_cancellation_is_left_behind(monkeypatch):
    monkeypatch.setattr("streams.drain.DEAF_SECONDS", 0.01)
    end = asyncio.Event()

    async def deaf():
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    assert await settle({task}, 0) == 1
    assert not task.done()
    end.set()
    await task
