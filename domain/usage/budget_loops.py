"""What `feedback budgets` does again and again: looks, tells the webhook, and sends again what pauses had held back."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from domain.errors import (
    BrokerUnavailableError,
    DroppedCallsError,
    SinkUnavailableError,
    TooManyGroupsError,
    TooManyQuestionsError,
    UsageUnavailableError,
    WebhookUnavailableError,
)
from domain.usage import pausing
from domain.usage.alerting import AlertBook, BudgetWatch, Webhook, now_utc
from domain.usage.budget_tally import BudgetTally
from domain.usage.budgets import GRACE
from domain.usage.pausing import PauseBook, SetAside

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

    await _again_and_again(look, stop, lambda: _rest(pause_seconds, stop), watch.tally)


async def keep_telling(
    book: AlertBook,
    webhook: Webhook,
    stop: asyncio.Event,
    pause_seconds: float,
    news: asyncio.Event,
    tally: BudgetTally,
    clock: Callable[[], datetime] = now_utc,
) -> None:
    """Tell the webhook what it has not taken, when there is `news` and each `pause_seconds`, until `stop` is set."""

    async def tell() -> None:
        news.clear()
        for owed in await book.owed(clock() - GRACE):
            try:
                await webhook.tell(owed)
            except WebhookUnavailableError as error:
                tally.refused += 1
                logger.warning("%s It is told again later.", error.message)
            else:
                await book.taken(owed.alert_id)

    await _again_and_again(tell, stop, lambda: _rest(pause_seconds, stop, news), tally)


async def keep_sending_again(
    book: PauseBook,
    inputs: SetAside,
    stop: asyncio.Event,
    pause_seconds: float,
    settled: timedelta,
    tally: BudgetTally,
    clock: Callable[[], datetime] = now_utc,
) -> None:
    """Send again what pauses had kept from being answered, once they have been over for so long, until `stop` is set.

    Args:
        pause_seconds: between two looks.
        settled: after so long no worker leaves an input undone for a pause that is over.
    """

    async def send() -> None:
        tally.sent_again += await pausing.send_again(book, inputs, settled, clock())

    await _again_and_again(send, stop, lambda: _rest(pause_seconds, stop), tally)


async def _again_and_again(
    work: Callable[[], Awaitable[None]], stop: asyncio.Event, rest: Callable[[], Awaitable[None]], tally: BudgetTally
) -> None:
    """Work and rest until `stop` is set, which breaks off either; an outage is waited out."""
    pause = FIRST_PAUSE
    while not stop.is_set():
        try:
            await _unless(stop, work())
        except _OUTAGES as error:
            tally.outages += 1
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
