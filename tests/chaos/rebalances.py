"""Rebalances as the workers themselves tell of them: for cases that cannot know beforehand when there will be one."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.chaos.members import Member
from tests.chaos.stage import Stage

_ASSIGNED = re.compile(r"assigned partitions: ")


@asynccontextmanager
async def written_down(stage: Stage) -> AsyncIterator[None]:
    """While the block runs, write each rebalance down when the worker says that it was: no more, and no fewer."""
    task = asyncio.create_task(_write_down_rebalances(stage))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _write_down_rebalances(stage: Stage) -> None:
    told = {id(worker.life): _assignments(worker) for worker in stage.workers}
    while True:
        for worker in stage.workers:
            # A process's first assignment takes nothing from anybody who is at work.
            before = told.setdefault(id(worker.life), 1)
            now = _assignments(worker)
            for _ in range(before, now):
                await stage.fault(f"{worker.name} was rebalanced", [worker])
            told[id(worker.life)] = max(before, now)
        await asyncio.sleep(0.05)


def _assignments(worker: Member) -> int:
    return len(_ASSIGNED.findall(worker.life.errors))
