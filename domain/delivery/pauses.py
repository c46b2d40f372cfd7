"""Whose LLM work is paused: looked up beside the work, and asked before each operation."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from domain.errors import FeedbackError

logger = logging.getLogger(__name__)

Paused = tuple[str, str | None]
"""A tenant, and one operation of its; None: all of them."""

LASTS_LOOKS = 6
"""An answer counts for so many looks from when it was asked for: then nobody is known to be paused."""

OVER_LOOKS = 8
"""So many looks after a pause has ended no worker leaves an input undone for it: more than `LASTS_LOOKS`, as the dead
letter that says so takes a moment."""


class Pauses(Protocol):
    """Knows whose work is paused."""

    def is_paused(self, tenant_id: str, operation: str) -> bool:
        """Whether no model may be asked for this. Costs nothing."""
        ...


class PausesSource(Protocol):
    """Where it is written down."""

    async def paused(self) -> Collection[Paused]:
        """All that is paused now.

        Raises:
            UsageUnavailableError: it cannot be told now, or not in time.
        """
        ...


@dataclass(frozen=True, slots=True)
class PausedNow:
    """Fulfils `Pauses` with what is paused at one moment."""

    paused: Collection[Paused] = frozenset()

    def is_paused(self, tenant_id: str, operation: str) -> bool:
        """See `Pauses`."""
        return (tenant_id, None) in self.paused or (tenant_id, operation) in self.paused


NOBODY: Pauses = PausedNow()


class WatchedPauses:
    """Fulfils `Pauses`. Where it cannot be told who is paused, nobody is: budgets must not stop answers by accident.

    A failure is logged once, until it is over.
    """

    def __init__(self, source: PausesSource, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`seconds`: between two looks."""
        self._source = source
        self._seconds = seconds
        self._monotonic = monotonic
        self._now = PausedNow()
        self._ends = 0.0
        self._failing = False

    def is_paused(self, tenant_id: str, operation: str) -> bool:
        """See `Pauses`."""
        return self._now.is_paused(tenant_id, operation) and self._monotonic() < self._ends

    async def run(self) -> None:
        """Look, and look again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._seconds)

    async def look(self) -> None:
        """Look once. What cannot be told leaves the answer before it, as long as that lasts."""
        asked = self._monotonic()
        try:
            found = PausedNow(frozenset(await self._source.paused()))
        except Exception as error:  # noqa: BLE001 - a bug of ours must not pause for ever, nor end in silence
            if not self._failing:
                why = error.message if isinstance(error, FeedbackError) else type(error).__name__
                logger.warning(
                    "Who has spent a budget could not be looked up (%s). Until it can, nobody's LLM work is paused: "
                    "what is known already counts for %g s more at most.",
                    why.rstrip("."),
                    LASTS_LOOKS * self._seconds,
                )
            self._failing = True
            return
        if self._failing:
            logger.info("Who has spent a budget can be looked up again.")
        if found != self._now:
            logger.info("Budgets: the LLM work of %d tenants is paused", len({tenant for tenant, _ in found.paused}))
        self._failing, self._now = False, found
        self._ends = asked + LASTS_LOOKS * self._seconds
