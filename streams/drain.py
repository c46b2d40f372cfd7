"""The end of work in flight: on SIGTERM, and when Kafka takes partitions away."""

import asyncio
import logging
from collections.abc import Set as AbstractSet

log = logging.getLogger(__name__)

DEAF_SECONDS = 3.0


async def settle(tasks: AbstractSet[asyncio.Task[None]], seconds: float) -> int:
    """Wait for the tasks up to `seconds`, cancel the rest and wait for them too; return how many were cancelled.

    Faust's own wait for an empty stream has no end, and cannot be bounded from outside. A task that does not listen to
    its cancellation is left behind after `DEAF_SECONDS`: its offset is not committed, whatever it still does.
    """
    late = set(tasks)
    if late and seconds > 0:
        _, late = await asyncio.wait(late, timeout=seconds)
    late = {task for task in late if not task.done()}
    for task in late:
        task.cancel()
    if late:
        _, deaf = await asyncio.wait(late, timeout=DEAF_SECONDS)
        if deaf:
            log.warning("%d inputs did not listen to their cancellation", len(deaf))
    return len(late)
