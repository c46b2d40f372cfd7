"""SIGTERM: what is in flight finishes within the drain's time, the rest is delivered again."""

import asyncio
import logging
import signal
from contextlib import nullcontext

import pytest
from aiokafka.errors import KafkaError

from domain.errors import BrokerUnavailableError
from streams.worker import run_worker
from tests.integration.streams_support import Bench, bench, now, repeats, report


class Hanging:
    """A handler, in the test's own process, that never answers; `ended` is set when it is cancelled."""

    def __init__(self):
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def ready_for_more(self):
        pass

    def reading_held(self):
        return nullcontext()

    async def handle(self, message):
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


async def test_sigterm_drains_and_repeats_nothing(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path) as table:
        ids = await table.publish({"seconds": 0.3} for _ in range(200))
        first = await table.worker(at_once=50, window=50)
        await first.heard("first")
        await table.outcomes(ids[:10])
        asked = now()
        assert await first.ends(signal.SIGTERM) == 0
        took = now() - asked
        end = await first.heard("end")
        assert 10 <= end["finished"] < len(ids)
        assert end["cancelled"] == 0
        second = await table.worker(at_once=50)
        found = await table.outcomes(ids)
        assert await second.ends(signal.SIGTERM) == 0
        report(test="SIGTERM", repeats=repeats(found), seconds_to_exit=round(took, 2))
        assert repeats(found) == 0


async def test_hung_handler_cannot_hold_up_the_stop(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path, partitions=1) as table:
        early = await table.publish({"seconds": 0.01} for _ in range(5))
        await table.publish([{"id": "stuck", "do": "hang"}], start=5)
        later = await table.publish(({"seconds": 0.01} for _ in range(5)), start=6)
        worker = await table.worker(drain=1)
        await worker.heard("hanging")
        await table.outcomes(early + later)
        asked = now()
        assert await worker.ends(signal.SIGTERM) == 0
        took = now() - asked
        report(test="SIGTERM with a hung handler", seconds_to_exit=round(took, 2))
        assert (await worker.heard("end"))["cancelled"] == 1
        assert await table.committed() == len(early)
        again = await table.worker(drain=0)
        assert (await again.heard("hanging"))["id"] == "stuck"
        assert await again.ends(signal.SIGTERM) == 0


async def test_sigterm_before_anything_was_assigned(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path) as table:
        worker = await table.worker()
        await worker.heard("starting")
        assert await worker.ends(signal.SIGTERM) == 0


async def test_a_cancelled_worker_ends_what_is_in_flight_before_it_ends_itself(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path, partitions=1) as table, asyncio.timeout(60):
        await table.publish([{"id": "stuck"}])
        handler = Hanging()
        working = asyncio.create_task(run_worker(table.settings(), handler, asyncio.Event()))
        await handler.begun.wait()
        working.cancel()
        await asyncio.wait({working})
        assert handler.ended.is_set()
        assert working.cancelled()
        assert await table.committed() == 0


async def test_a_last_commit_that_fails_does_not_hide_why_the_worker_stops(kafka, tmp_path, monkeypatch):
    class Failing(Hanging):
        async def handle(self, message):
            async def refuse(consumer):
                raise KafkaError

            monkeypatch.setattr("streams.consumer.Consumer.commit", refuse)
            raise BrokerUnavailableError("the cause")

    async with bench(kafka.bootstrap_servers, tmp_path, partitions=1) as table, asyncio.timeout(60):
        await table.publish([{"id": "any"}])
        with pytest.raises(BrokerUnavailableError, match="the cause"):
            await run_worker(table.settings(), Failing(), asyncio.Event())


async def test_what_the_worker_does_is_logged_now_and_then(kafka, tmp_path, monkeypatch):
    seen, stop, handler = asyncio.Event(), asyncio.Event(), Hanging()

    class Listener(logging.Handler):
        def emit(self, record):
            if "1 inputs in flight, the oldest for" in record.getMessage():
                seen.set()

    monkeypatch.setattr("streams.worker.REPORT_SECONDS", 0.01)
    log, listener = logging.getLogger("streams.worker"), Listener()
    monkeypatch.setattr(log, "level", logging.INFO)
    log.addHandler(listener)
    try:
        async with bench(kafka.bootstrap_servers, tmp_path, partitions=1) as table, asyncio.timeout(60):
            await table.publish([{"id": "stuck"}])
            working = asyncio.create_task(run_worker(table.settings(drain_seconds=0), handler, stop))
            await seen.wait()
            stop.set()
            await working
    finally:
        log.removeHandler(listener)


async def test_nobody_at_the_address_is_one_error(tmp_path):
    settings = Bench("127.0.0.1:1", tmp_path, 1).settings()
    with pytest.raises(BrokerUnavailableError, match="cannot be used"):
        await run_worker(settings, Hanging(), asyncio.Event())
