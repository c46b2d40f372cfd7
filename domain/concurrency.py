"""Running the branches of one piece of work, leaving no orphan behind and losing no end."""

import asyncio
import logging
import traceback
from collections.abc import Coroutine, Sequence
from typing import Any

from domain.errors import BugError, WorkerHaltedError

logger = logging.getLogger(__name__)

_LOST = "A fault in this program: a piece of work was cancelled, though nobody had asked for it."


async def together(branches: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run the branches concurrently. When one raises, or on cancellation, the others are cancelled and awaited.

    Raises:
        BugError: a branch ended cancelled though neither we nor a branch that failed had cancelled it; it has not done
            its work.
        BaseException: what a branch raised, of several the one that halts the worker.
    """
    if len(branches) == 1:
        await _told(branches[0])
        return
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_told(branch)) for branch in branches]
    except BaseExceptionGroup as failed:
        raise _weightiest(failed) from None
    if any(task.cancelled() for task in tasks):  # a task group takes it for an end like any other
        raise BugError(_LOST)


async def _told(branch: Coroutine[Any, Any, None]) -> None:
    """Run it; where it is cancelled from within, as by a future that it shares with others, say so."""
    task = asyncio.current_task()
    try:
        await branch
    except asyncio.CancelledError as error:
        if task is None or task.cancelling():
            raise
        frames = traceback.format_tb(error.__traceback__)
    else:
        return
    logger.error("Cancelled, though nobody had asked for it\n%s", "".join(frames))
    raise BugError(_LOST)


def _weightiest(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    return next((error for error in failed.exceptions if isinstance(error, WorkerHaltedError)), failed.exceptions[0])
