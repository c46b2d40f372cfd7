"""The broker goes away under load and comes back: the worker goes on by itself, and nothing is lost."""

import asyncio
import signal

import pytest

from domain.errors import BrokerUnavailableError
from streams.settings import WorkerSettings
from streams.worker import run_worker
from tests.integration.streams_support import bench, now, repeats, report


class Idle:
    """A handler that is never asked."""

    async def ready_for_more(self):
        pass

    async def handle(self, message):
        raise AssertionError


async def test_one_worker_outlives_the_broker_and_one_can_be_stopped_meanwhile(fresh_kafka, tmp_path):
    address = fresh_kafka.bootstrap_servers
    async with bench(address, tmp_path) as table, bench(address, tmp_path) as other:
        ids = await table.publish({"seconds": 0.2} for _ in range(600))
        others = await other.publish({"seconds": 0.2} for _ in range(600))
        lasting = await table.worker(at_once=50, instance="one")
        stopped = await other.worker(at_once=50, drain=1)
        await table.outcomes(ids[:50])
        await other.outcomes(others[:50])
        await fresh_kafka.kill()
        asked = now()
        assert await stopped.ends(signal.SIGTERM) == 0
        took = now() - asked
        await fresh_kafka.restart()
        back = now()
        found = await table.outcomes(ids)
        report(
            test="broker outage",
            repeats=repeats(found),
            seconds_to_exit=round(took, 2),
            seconds_from_restart_to_done=round(now() - back, 2),
        )
        assert await lasting.ends(signal.SIGTERM) == 0
        assert repeats(found) <= 400
        assert took < 20


async def test_nobody_at_the_address_is_one_error(tmp_path):
    settings = WorkerSettings("127.0.0.1:1", data_directory=tmp_path)
    with pytest.raises(BrokerUnavailableError, match="cannot be used"):
        await run_worker(settings, Idle(), asyncio.Event())
