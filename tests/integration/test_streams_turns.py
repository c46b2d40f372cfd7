"""A backlog: each partition has its turn."""

import asyncio
from contextlib import nullcontext

from streams.worker import run_worker
from tests.integration.streams_support import bench

BACKLOG = 3_000


class Counting:
    """A handler that answers at once; `order` are the partitions of what came, `enough` is set after so many."""

    def __init__(self, enough):
        self.order: list[int] = []
        self.enough, self._count = asyncio.Event(), enough

    async def ready_for_more(self):
        pass

    def reading_held(self):
        return nullcontext()

    async def handle(self, message):
        self.order.append(message.partition)
        if len(self.order) >= self._count:
            self.enough.set()


async def test_no_partition_waits_until_another_has_been_worked_off(kafka, tmp_path):
    """They are small, and fetched a megabyte at a time: all of a partition stands in one answer of the broker."""
    async with bench(kafka.bootstrap_servers, tmp_path, partitions=3) as table:
        await table.publish({} for _ in range(3 * BACKLOG))
        handler, stop = Counting(enough=3 * BACKLOG), asyncio.Event()
        worker = asyncio.create_task(run_worker(table.settings(buffer=64), handler, stop))
        try:
            async with asyncio.timeout(60):
                await handler.enough.wait()
        finally:
            stop.set()
            await worker
    last = {partition: len(handler.order) - handler.order[::-1].index(partition) for partition in range(3)}
    assert max(handler.order.index(partition) for partition in range(3)) < BACKLOG / 2, handler.order[::64]
    assert min(last.values()) > 2 * BACKLOG, last
