"""Rebalances as the workers themselves tell of them: for cases that cannot know beforehand when there will be one."""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.chaos.evidence import Partition
from tests.chaos.members import Member
from tests.chaos.record import Stake
from tests.chaos.stage import Stage

_ASSIGNED = re.compile(r"assigned partitions: ")
_LOOK_SECONDS = 0.05
_OF_LATE_SECONDS = 20.0
"""A worker may be frozen for 15 s, and tells of the rebalance a few seconds later."""


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


@dataclass
class _Seen:
    """What one process has told so far, and how many inputs it had at work of late."""

    assignments: int
    held: set[Partition]
    at_work: deque[int] = field(default_factory=lambda: deque([0], maxlen=round(_OF_LATE_SECONDS / _LOOK_SECONDS)))


async def _write_down_rebalances(stage: Stage) -> None:
    # A process's first assignment takes nothing from anybody who is at work.
    seen = {id(worker.life): _Seen(_assignments(worker), worker.partitions()) for worker in stage.workers}
    while True:
        for worker in stage.workers:
            before = seen.setdefault(id(worker.life), _Seen(1, worker.partitions()))
            times, stake = _assignments(worker), stage.at_stake([worker])
            before.at_work.append(stake.in_flight)
            for _ in range(before.assignments, times):
                at_work = Stake(max(before.at_work), stake.partitions | before.held)
                await stage.fault(f"{worker.name} was rebalanced", stake=at_work)
            before.assignments, before.held = max(before.assignments, times), worker.partitions()
        await asyncio.sleep(_LOOK_SECONDS)


def _assignments(worker: Member) -> int:
    return len(_ASSIGNED.findall(worker.life.errors))
