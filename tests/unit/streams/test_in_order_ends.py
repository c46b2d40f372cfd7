"""How the engine ends: by an error, by a cancellation, in order."""

import asyncio

from domain.errors import BrokerUnavailableError, BugError
from streams.drain import settle
from tests.unit.streams.support import turns


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
