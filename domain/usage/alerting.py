"""Tells of budgets' thresholds: each once in effect, as an event and to a webhook, whatever fails meanwhile.

The event is remembered when the broker has acknowledged it. Whoever dies between the two sends it again under the same
id. The webhook is told of what is remembered, in a loop of its own, so that it holds up nothing. Who is paused by a
hard stop is written down first, whether or not anybody can be told.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from domain.errors import (
    BrokerUnavailableError,
    DroppedCallsError,
    SinkUnavailableError,
    TooManyGroupsError,
    TooManyQuestionsError,
    UsageUnavailableError,
    WebhookUnavailableError,
)
from domain.ports import EventPublisher, OutboundMessage
from domain.usage import pausing
from domain.usage.answers import UsageAnswers
from domain.usage.budgets import GRACE, RECENT, Budget, Standing, spending, spent_of, standings
from domain.usage.pausing import PauseBook, SetAside
from domain.usage.report import Window
from schemas.budgets import BudgetThresholdCrossed
from schemas.cloudevents import headers_for
from schemas.topics import USAGE_ALERTS

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds between tries while the database, or Kafka, is away."""

_OUTAGES = (
    SinkUnavailableError,
    UsageUnavailableError,
    BrokerUnavailableError,
    DroppedCallsError,
    TooManyGroupsError,
    TooManyQuestionsError,
)
"""What may pass, or be mended while the process runs: none of it ends the watch."""


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


def _now() -> datetime:
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
    """

    budgets: Sequence[Budget]
    answers: UsageAnswers
    book: AlertBook
    publisher: EventPublisher
    clock: Callable[[], datetime] = _now
    pauses: PauseBook | None = None

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
        if not due:
            return 0
        recent = await spending(self.answers, {one.budget for one, _ in due}, Window(now - RECENT, now))
        for one, threshold in due:
            alert = one.alert(threshold, spent_of(one.budget, recent), now)
            await self.publisher.publish(_message(alert))
            await self.book.remember(alert)
        logger.info("told of %d thresholds of budgets", len(due))
        return len(due)

    async def _pause(self, found: Sequence[Standing]) -> None:
        """First of all: it must not wait for a broker that is away. Asking for the budgets has taken a while by now."""
        if self.pauses is None:
            return
        now = self.clock()
        kept = await self.pauses.keep(pausing.pauses_of(found, now), now)
        if kept.begun or kept.ended:
            logger.info("budgets: %d pauses began, %d ended", kept.begun, kept.ended)


def _message(alert: BudgetThresholdCrossed) -> OutboundMessage:
    headers = headers_for(alert, str(alert.alert_id), alert.alert_id.hex, alert.crossed_at)
    return OutboundMessage(USAGE_ALERTS.name, alert.tenant_id.encode(), alert.to_bytes(), headers)


async def keep_watching(watch: BudgetWatch, stop: asyncio.Event, pause_seconds: float, news: asyncio.Event) -> None:
    """Look, rest, and look again, until `stop` is set; `news` is set when something was told.

    What is away is waited for. A look that `stop` breaks off may have told what nobody remembers: the next process
    tells it again, under the same id.
    """

    async def look() -> None:
        try:
            await watch.look()
        finally:
            news.set()

    await _again_and_again(look, stop, lambda: _rest(pause_seconds, stop))


async def keep_telling(
    book: AlertBook,
    webhook: Webhook,
    stop: asyncio.Event,
    pause_seconds: float,
    news: asyncio.Event,
    clock: Callable[[], datetime] = _now,
) -> None:
    """Tell the webhook what it has not taken, when there is `news` and each `pause_seconds`, until `stop` is set."""

    async def tell() -> None:
        news.clear()
        for owed in await book.owed(clock() - GRACE):
            try:
                await webhook.tell(owed)
            except WebhookUnavailableError as error:
                logger.warning("%s It is told again later.", error.message)
            else:
                await book.taken(owed.alert_id)

    await _again_and_again(tell, stop, lambda: _rest(pause_seconds, stop, news))


async def keep_sending_again(
    book: PauseBook,
    inputs: SetAside,
    stop: asyncio.Event,
    pause_seconds: float,
    settled: timedelta,
    clock: Callable[[], datetime] = _now,
) -> None:
    """Send again what pauses had kept from being answered, once they have been over for so long, until `stop` is set.

    Args:
        pause_seconds: between two looks.
        settled: after so long no worker leaves an input undone for a pause that is over.
    """

    async def send() -> None:
        await pausing.send_again(book, inputs, settled, clock())

    await _again_and_again(send, stop, lambda: _rest(pause_seconds, stop))


async def _again_and_again(
    work: Callable[[], Awaitable[None]], stop: asyncio.Event, rest: Callable[[], Awaitable[None]]
) -> None:
    """Work and rest until `stop` is set, which breaks off either; an outage is waited out."""
    pause = FIRST_PAUSE
    while not stop.is_set():
        try:
            await _unless(stop, work())
        except _OUTAGES as error:
            logger.warning("%s Nothing is lost; trying again in about %.1f s.", error.message, pause)
            await _rest(pause * random.uniform(0.5, 1.0), stop)  # noqa: S311 - spreads retries, guards nothing
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            pause = FIRST_PAUSE
            await rest()


async def _unless(stop: asyncio.Event, work: Awaitable[None]) -> None:
    """Do the work; where `stop` is set meanwhile, break it off."""
    task, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        task.cancel()
        stopping.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)


async def _rest(seconds: float, *wakers: asyncio.Event) -> None:
    """Wait so long, or until one of these is set."""
    waiting = {asyncio.ensure_future(one.wait()) for one in wakers}
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for one in waiting:
        one.cancel()
