"""Hard stops of budgets: whose LLM work is paused, from the whole limit on, and what becomes of it when that is over.

Workers read who is paused. They leave a dead letter for each operation that they do not carry out, with the input in
it; when a pause is over for good, these inputs are sent again, each once.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from domain.delivery.pauses import Paused, PausedNow, Pauses
from domain.usage.budgets import Budget, Period, Standing

logger = logging.getLogger(__name__)

CLOCKS = timedelta(hours=1)
"""A worker's clock may be so far behind the database's. What was left undone earlier waits for no pause of now: it was
sent again long ago, also where the topic of inputs keeps its replay no longer."""

STRAGGLERS = timedelta(hours=1)
"""So long after its inputs were sent again a pause is looked at once more, and for the last time: a worker that had
left an input undone, and could not hand over the dead letter (the broker was away, say), has done so by then."""


@dataclass(frozen=True, slots=True)
class Pause:
    """One budget in one period whose limit is spent.

    Attributes:
        pause_id: the same for the same budget, limit and period.
        tenant_id: whose work is paused.
        operation: which; None: all.
        until: the period's end.
        limit_usd: what was spent.
        inputs_since: from when on inputs may wait for it, those included that waited for others of the tenant's before;
            None: it has not begun.
    """

    pause_id: UUID
    tenant_id: str
    operation: str | None
    until: datetime
    limit_usd: Decimal
    inputs_since: datetime | None = field(default=None, compare=False)

    @property
    def of(self) -> Paused:
        """What it pauses."""
        return self.tenant_id, self.operation


def pauses_of(found: Iterable[Standing], now: datetime) -> list[Pause]:
    """What is paused by these standings: in a period that lasts, a budget with a hard stop whose limit is spent."""
    return [
        Pause(
            pause_id=one.budget.pause_id(one.window),
            tenant_id=one.budget.tenant_id,
            operation=one.budget.operation,
            until=one.window.end,
            limit_usd=one.budget.limit_usd,
        )
        for one in found
        if one.stopped and one.window.start <= now < one.window.end
    ]


_LONGEST: dict[Period, timedelta] = {"day": timedelta(days=2), "week": timedelta(days=8), "month": timedelta(days=32)}


def longest_pause(budgets: Iterable[Budget]) -> timedelta:
    """How long an input may have to wait for the end of a pause: dead letters must be kept for longer. 0: none may."""
    return max((_LONGEST[one.period] for one in budgets if one.hard_stop), default=timedelta(0))


@dataclass(frozen=True, slots=True)
class Kept:
    """How many pauses began, and how many ended."""

    begun: int = 0
    ended: int = 0


class PauseBook(Protocol):
    """Where workers read who is paused, and where it stands which pauses are over."""

    def alone(self) -> AbstractAsyncContextManager[bool]:
        """Whether nobody else is inside such a block; whoever dies there has left it.

        Raises:
            UsageUnavailableError: the store cannot tell now.
        """
        ...

    async def keep(self, pauses: Sequence[Pause], now: datetime) -> Kept:
        """These are paused, and nobody else: what is not there begins, and what is there besides has ended `now`.

        Raises:
            SinkUnavailableError: the store cannot take it now.
        """
        ...

    async def lasting(self) -> Sequence[Pause]:
        """Those that have not ended.

        Raises:
            UsageUnavailableError: the store cannot tell now.
        """
        ...

    async def over(self, ended_before: datetime, sent_before: datetime) -> Sequence[Pause]:
        """Those that ended earlier, and whose inputs were not sent again yet, or once, before that.

        Raises:
            UsageUnavailableError: the store cannot tell now.
        """
        ...

    async def sent(self, pauses: Sequence[Pause], ended_before: datetime, now: datetime) -> None:
        """Their inputs were sent again `now`: that is kept, or, where it is the second time, they are forgotten.

        One that has begun anew meanwhile stays as it is, also where it has ended anew. Inputs of the same tenant that
        were held back for other pauses wait for these from now on (`inputs_since`).

        Raises:
            SinkUnavailableError: the store cannot take it now.
        """
        ...


class SetAside(Protocol):
    """The inputs that were not answered for a budget."""

    async def send_again(self, tenants: Mapping[str, datetime], paused: Pauses) -> int:
        """Send those again whose operation is not paused (any more), each once; how many there were.

        Args:
            tenants: whose, and from when on they were left undone.
            paused: what is paused still.

        Raises:
            BrokerUnavailableError: not all could be sent; those that were are not sent again next time.
        """
        ...


async def send_again(book: PauseBook, inputs: SetAside, settled: timedelta, now: datetime) -> int:
    """What pauses that have been over for so long had kept from being answered is sent again; how many inputs.

    None where another process is at it: both would send them.

    Raises:
        UsageUnavailableError, SinkUnavailableError, BrokerUnavailableError: not all of it; try again.
    """
    async with book.alone() as is_alone:
        over = await book.over(now - settled, now - STRAGGLERS) if is_alone else []
        if not over:
            return 0
        still = PausedNow(frozenset(one.of for one in await book.lasting()))
        sent = await inputs.send_again(_tenants_of(over), still)
        await book.sent(over, now - settled, now)
    logger.info("budget pauses that are over: %d; inputs sent again: %d", len(over), sent)
    return sent


def _tenants_of(pauses: Iterable[Pause]) -> dict[str, datetime]:
    """Whose they are, and from when on an input may have waited for one."""
    found: dict[str, datetime] = {}
    for one in pauses:
        if one.inputs_since is not None:
            since = one.inputs_since - CLOCKS
            found[one.tenant_id] = min(since, found.get(one.tenant_id, since))
    return found
