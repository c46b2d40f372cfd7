"""Which of a job's LLM calls have their row in the database."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import UUID

from domain.errors import UsageUnavailableError
from runtime.job.ledger import Ledger
from runtime.job.patience import Clock, Sleep, answered

FindStored = Callable[[Sequence[UUID]], Awaitable[set[UUID]]]
"""Which of these LLM calls are in the database; raises UsageUnavailableError where it cannot answer now."""

ASKED_AT_ONCE = 5000


class Rows:
    """Asks the database for the rows of the ledger's LLM calls, a part at a time.

    Those that it has not asked for, or not for the longest time, come first: a call whose row does not come keeps no
    other from being seen.

    Attributes:
        seen: the calls whose row was there when it was asked for.
    """

    def __init__(
        self,
        ledger: Ledger,
        find_stored: FindStored,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._ledger = ledger
        self._find_stored = find_stored
        self._clock, self._sleep = clock, sleep
        self.seen: set[UUID] = set()
        self._known: set[UUID] = set()
        self._waiting: deque[UUID] = deque()

    @property
    def missing(self) -> bool:
        """Whether a call is still to appear in the database."""
        return bool(self._ledger.calls - self.seen - self._ledger.refused)

    @property
    def settled(self) -> int:
        """How many calls have their row, or a dead letter instead."""
        return len(self.seen | self._ledger.refused)

    async def look(self) -> bool:
        """Ask for a part of those without a row; a database that is away has nothing new.

        Returns:
            whether it is worth asking again at once: there was something new, and more than could be asked for.
        """
        asked = self._next()
        try:
            found = await self._find_stored(asked) if asked else set()
        except UsageUnavailableError:
            found = set()
        self.seen |= found
        self._waiting += [call for call in asked if call not in found]
        return bool(found) and len(asked) == ASKED_AT_ONCE

    def _next(self) -> list[UUID]:
        """Those to ask for now; they no longer wait."""
        self._waiting += self._ledger.calls - self._known
        self._known |= self._ledger.calls
        asked: list[UUID] = []
        while self._waiting and len(asked) < ASKED_AT_ONCE:
            call = self._waiting.popleft()
            if call not in self._ledger.refused:
                asked.append(call)
        return asked

    async def count(self) -> int | None:
        """How many of the calls have a row, counted anew; None where the database stays away for too long."""
        calls = list(self._ledger.calls)
        found: set[UUID] = set()
        try:
            for start in range(0, len(calls), ASKED_AT_ONCE):
                part = calls[start : start + ASKED_AT_ONCE]
                ask = partial(self._find_stored, part)
                found |= await answered(ask, clock=self._clock, sleep=self._sleep)
        except UsageUnavailableError:
            return None
        self.seen |= found
        return len(found)
