"""Tells of budgets' thresholds: each once in effect, as an event and to a webhook, whatever fails meanwhile.

The event is remembered when the broker has acknowledged it. Whoever dies between the two sends it again under the same
id. The webhook is told of what is remembered, in a loop of its own (`domain.usage.budget_loops`), so that it holds up
nothing. Who is paused by a hard stop is written down first, whether or not anybody can be told.
"""

import logging
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from domain.ports import EventPublisher, OutboundMessage
from domain.usage import pausing
from domain.usage.answers import UsageAnswers
from domain.usage.budget_tally import BudgetTally
from domain.usage.budgets import GRACE, RECENT, Budget, Standing, spending, spent_of, standings
from domain.usage.pausing import PauseBook
from domain.usage.report import Window
from schemas.budgets import BudgetThresholdCrossed
from schemas.cloudevents import headers_for
from schemas.topics import USAGE_ALERTS

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Owed:
    """An alert that the webhook has not taken: its id, and the event as it travels."""

    alert_id: UUID
    event: bytes = field(repr=False)


class AlertBook(Protocol):
    """Remembers which alerts were told."""

    async def told(self, ending_after: datetime) -> AbstractSet[UUID]:
        """The ids of the alerts about periods that end later.

        Raises:
            UsageUnavailableError: the store cannot tell now.
        """
        ...

    async def remember(self, alert: BudgetThresholdCrossed) -> None:
        """Keep that the broker has it; what is kept already stays as it is.

        Raises:
            SinkUnavailableError: the store cannot take it now.
        """
        ...

    async def owed(self, ending_after: datetime) -> Sequence[Owed]:
        """What the webhook has not taken, of periods that end later, the oldest first.

        Raises:
            UsageUnavailableError: the store cannot tell now.
        """
        ...

    async def taken(self, alert_id: UUID) -> None:
        """The webhook has it.

        Raises:
            SinkUnavailableError: the store cannot take it now.
        """
        ...


class Webhook(Protocol):
    """Where alerts are told to a program that reads no Kafka."""

    async def tell(self, alert: Owed) -> None:
        """Return once it has taken the alert.

        Raises:
            WebhookUnavailableError: it did not, however often it was tried.
        """
        ...


def now_utc() -> datetime:
    """The time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class BudgetWatch:
    """Looks at the budgets, and tells of what nobody was told of.

    Attributes:
        budgets: the budgets.
        answers: what was spent.
        book: what was told.
        publisher: where it is told.
        clock: tells the time, UTC.
        pauses: where workers read whose work is paused; None: nobody's is.
        tally: counted up as it goes, for who wants to watch.
    """

    budgets: Sequence[Budget]
    answers: UsageAnswers
    book: AlertBook
    publisher: EventPublisher
    clock: Callable[[], datetime] = now_utc
    pauses: PauseBook | None = None
    tally: BudgetTally = field(default_factory=BudgetTally)

    async def look(self) -> int:
        """One look at all of them; how many thresholds were told of.

        Raises:
            UsageUnavailableError, SinkUnavailableError, BrokerUnavailableError: not all could be told; look again.
            TooManyGroupsError: as `domain.usage.budgets.spending`.
        """
        now = self.clock()
        found = await standings(self.answers, self.budgets, now)
        await self._pause(found)
        told = await self.book.told(now - GRACE)
        due = [(one, threshold) for one in found for threshold in one.untold(told)]
        if due:
            await self._tell(due, now)
        self.tally.looked()
        return len(due)

    async def _tell(self, due: Sequence[tuple[Standing, Decimal]], now: datetime) -> None:
        recent = await spending(self.answers, {one.budget for one, _ in due}, Window(now - RECENT, now))
        for one, threshold in due:
            alert = one.alert(threshold, spent_of(one.budget, recent), now)
            await self.publisher.publish(_message(alert))
            await self.book.remember(alert)
            self.tally.told += 1
        logger.info("told of %d thresholds of budgets", len(due))

    async def _pause(self, found: Sequence[Standing]) -> None:
        """First of all: it must not wait for a broker that is away. Asking for the budgets has taken a while by now."""
        if self.pauses is None:
            return
        now = self.clock()
        pauses = pausing.pauses_of(found, now)
        kept = await self.pauses.keep(pauses, now)
        self.tally.pauses = len(pauses)
        if kept.begun or kept.ended:
            logger.info("budgets: %d pauses began, %d ended", kept.begun, kept.ended)


def _message(alert: BudgetThresholdCrossed) -> OutboundMessage:
    headers = headers_for(alert, str(alert.alert_id), alert.alert_id.hex, alert.crossed_at)
    return OutboundMessage(USAGE_ALERTS.name, alert.tenant_id.encode(), alert.to_bytes(), headers)
