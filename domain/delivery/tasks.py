"""Running the branches of one input's work, leaving no orphan behind."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from domain.errors import BrokerUnavailableError, WorkerHaltedError


async def together(branches: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run the branches concurrently. When one raises, or on cancellation, the others are cancelled and awaited.

    Raises:
        BaseException: what a branch raised, of several the one that halts the worker.
    """
    if len(branches) == 1:
        await branches[0]
        return
    try:
        async with asyncio.TaskGroup() as group:
            for branch in branches:
                group.create_task(branch)
    except BaseExceptionGroup as failed:
        raise _weightiest(failed) from None


def _weightiest(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    return next((error for error in failed.exceptions if isinstance(error, WorkerHaltedError)), failed.exceptions[0])


async def acknowledged(receipts: Sequence[asyncio.Future[None]]) -> None:
    """Return once all receipts have come. They are not ours: they go on when we are cancelled.

    Raises:
        BrokerUnavailableError: one did not.
    """
    these = tuple(receipts)  # another operation of the input may add to the list while we wait
    if not these:
        return
    await asyncio.wait(these)
    for receipt in these:
        if receipt.cancelled():
            raise BrokerUnavailableError("The event of an LLM call was dropped before Kafka acknowledged it.")
        receipt.result()
