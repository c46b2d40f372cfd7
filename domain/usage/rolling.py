"""What keeps the rollups: counts anew what changed, for as long as its process runs."""

import asyncio
import logging
import random
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from domain.errors import SinkUnavailableError

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds between tries while the database is away."""

REST = 4.0
"""A day that is written to is counted anew again and again: the roller rests for so many times as long as it worked."""
LONGEST_REST = 60.0


@dataclass(frozen=True, slots=True)
class Rolled:
    """What one round did.

    Attributes:
        days, weeks, months: how many of tenants' were counted anew.
        more: whether it took as much as one round takes: there may be more.
        partition_failures: whether months were to get their partitions, and the database did not let that end: 0 or 1.
    """

    days: int = 0
    weeks: int = 0
    months: int = 0
    more: bool = False
    partition_failures: int = 0


@dataclass(frozen=True, slots=True)
class Marked:
    """What is to be counted anew.

    Attributes:
        days: tenants' days.
        oldest_seconds: for how long the first of them has been; 0 where there is none.
    """

    days: int = 0
    oldest_seconds: float = 0.0


class UsageRoller(Protocol):
    """Keeps rollups of whole days, weeks and months. Any number may run: one at a time does something."""

    async def roll(self) -> Rolled | None:
        """Count some of what changed anew, what changed first before the rest; None where another roller is at it.

        Raises:
            SinkUnavailableError: the database cannot do it now; what was begun did not happen.
        """
        ...

    async def marked(self) -> Marked:
        """What there is to do now, whoever does it.

        Raises:
            SinkUnavailableError: the database cannot tell.
        """
        ...


@dataclass(slots=True)
class RollTally:
    """What a roller did so far; may be read from another thread.

    Attributes:
        days, weeks, months: counted anew.
        failures: rounds that the database did not let it end.
        partition_failures: times that the database did not let it make the partitions of months.
        leads: whether it did the latest round, and no other roller.
        marked_days: what was left to do when it last looked.
    """

    days: int = 0
    weeks: int = 0
    months: int = 0
    failures: int = 0
    partition_failures: int = 0
    leads: bool = False
    marked_days: int = 0
    _oldest_since: float | None = None

    @property
    def oldest_mark_seconds(self) -> float:
        """Age of what waits longest; 0 where nothing does. It grows while the database does not answer."""
        since = self._oldest_since
        return 0.0 if since is None else time.monotonic() - since

    def rolled(self, rolled: Rolled | None) -> None:
        """A round is over."""
        self.leads = rolled is not None
        if rolled is not None:
            self.days += rolled.days
            self.weeks += rolled.weeks
            self.months += rolled.months
            self.partition_failures += rolled.partition_failures

    def saw(self, marked: Marked) -> None:
        """So much is left to do."""
        self.marked_days = marked.days
        self._oldest_since = time.monotonic() - marked.oldest_seconds if marked.days else None


async def keep_rolled(
    roller: UsageRoller,
    stop: asyncio.Event,
    pause_seconds: float,
    drain_seconds: float,
    tally: RollTally | None = None,
) -> RollTally:
    """Roll all there is, rest, and roll again, until `stop` is set. An outage of the database is waited out.

    Args:
        roller: does it.
        stop: ends it; the transaction under way has `drain_seconds` to be committed, else it did not happen.
        pause_seconds: between one look for something to do and the next, where the work takes less.
        drain_seconds: see `stop`.
        tally: counted up as it goes, for who wants to watch; the returned one otherwise.
    """
    tally = tally or RollTally()
    pause = FIRST_PAUSE
    while not stop.is_set():
        began = time.monotonic()
        try:
            await _drained(_pass(roller, stop, tally), stop, drain_seconds)
        except SinkUnavailableError as error:
            tally.failures += 1
            logger.warning("%s Nothing is lost; trying again in about %.1f s.", error.message, pause)
            await _rest(stop, pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, guards nothing
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            pause = FIRST_PAUSE
            rest = min(REST * (time.monotonic() - began), LONGEST_REST)
            await _rest(stop, max(pause_seconds, rest))
    logger.info("rolled %d days, %d weeks and %d months of tenants", tally.days, tally.weeks, tally.months)
    return tally


async def _pass(roller: UsageRoller, stop: asyncio.Event, tally: RollTally) -> None:
    """Roll what is there now, unless another leads. What is written meanwhile is for the next pass: there is no end."""
    waiting = await roller.marked()
    tally.saw(waiting)
    left = waiting.days
    while True:
        rolled = await roller.roll()
        tally.rolled(rolled)
        if rolled is None or not rolled.more or stop.is_set():
            break
        left -= rolled.days
        if rolled.days and left <= 0:
            break
    tally.saw(await roller.marked())


async def _drained(work: Coroutine[Any, Any, T], stop: asyncio.Event, seconds: float) -> None:
    """Do the work; where `stop` is set meanwhile, for so many seconds more."""
    task, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({task}, timeout=seconds)
        if task.done():
            task.result()
        else:
            logger.warning("stopping with a round under way; it did not happen, and will be done again")
    finally:
        for one in (task, stopping):
            one.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until `stop` is set."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping}, timeout=seconds)
    stopping.cancel()
