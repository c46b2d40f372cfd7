"""`feedback budgets`: what it is made of."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

from adapters.kafka.admin import retention_of
from adapters.kafka.dead_letters import DeadLetterTopic
from adapters.postgres.budget_alerts import PostgresAlertBook
from adapters.postgres.budget_pauses import PostgresPauseBook
from adapters.postgres.engine import Engine
from adapters.postgres.rights import SHOWING_BUDGETS, WATCHING_BUDGETS
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.webhook import HTTPWebhook, WebhookSettings
from domain.delivery.pauses import OVER_LOOKS
from domain.errors import UserError
from domain.ports import EventPublisher
from domain.usage.alerting import BudgetWatch
from domain.usage.budget_loops import keep_sending_again, keep_telling, keep_watching
from domain.usage.budgets import Budget, Overview, overview
from domain.usage.pausing import longest_pause
from runtime.metrics.figures import BudgetsFigures
from runtime.metrics.serving import serving_metrics
from runtime.process import run_with, together
from runtime.sending_again import SetAsideInputs
from runtime.settings import Settings
from runtime.wiring.parts import kafka_connection, patient_engine, publisher, unhurried_engine
from schemas.topics import DEAD_LETTERS

logger = logging.getLogger(__name__)

Parts = tuple[EventPublisher, Engine, HTTPWebhook | None]


def webhook_settings(settings: Settings) -> WebhookSettings | None:
    """Where alerts are told beside Kafka; None: nowhere.

    Raises:
        UserError: a secret without an address, or an address that cannot be used.
    """
    url, secret = settings.budgets_webhook_url, settings.budgets_webhook_secret
    if url is None:
        if secret is not None:
            raise UserError(
                "BUDGETS_WEBHOOK_SECRET is set, and no webhook.", "Set BUDGETS_WEBHOOK_URL as well, or none of them."
            )
        return None
    return WebhookSettings(url.get_secret_value(), secret.get_secret_value() if secret else None)


async def run_budgets(settings: Settings, budgets: Sequence[Budget], stop: asyncio.Event) -> None:
    """What tells of budgets' thresholds, and whom workers pause, until `stop` is set.

    It waits while the database or Kafka is away.

    Raises:
        UserError: Kafka, the database, the webhook or the metrics' address cannot be used as they are set.
    """
    told, figures = webhook_settings(settings), BudgetsFigures()

    @asynccontextmanager
    async def parts() -> AsyncIterator[Parts]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(serving_metrics(settings, figures))
            events = await stack.enter_async_context(publisher(settings))
            engine = await stack.enter_async_context(patient_engine(settings, WATCHING_BUDGETS))
            webhook = await stack.enter_async_context(HTTPWebhook(told)) if told is not None else None
            yield events, engine, webhook

    async def work(found: Parts) -> None:
        await _warn_of_retention(settings, budgets)
        events, engine, webhook = found
        book, news = PostgresAlertBook(engine), asyncio.Event()
        pauses, inputs = PostgresPauseBook(engine), SetAsideInputs(DeadLetterTopic(kafka_connection(settings)), events)
        watch = BudgetWatch(budgets, PostgresUsageAnswers(engine), book, events, pauses=pauses, tally=figures.tally)
        settled = timedelta(seconds=OVER_LOOKS * settings.budget_pause_seconds)
        loops = [
            keep_watching(watch, stop, settings.budget_seconds, news),
            keep_sending_again(pauses, inputs, stop, settings.budget_pause_seconds, settled, figures.tally),
        ]
        if webhook is not None:
            loops.append(keep_telling(book, webhook, stop, settings.budget_seconds, news, figures.tally))
        await together(*loops)

    await run_with(parts(), work, stop)


async def _warn_of_retention(settings: Settings, budgets: Sequence[Budget]) -> None:
    """Say where what a pause leaves undone may be deleted before the pause is over."""
    needed = longest_pause(budgets)
    kept = await retention_of(kafka_connection(settings), DEAD_LETTERS.name) if needed else None
    if kept is not None and kept < needed:
        logger.warning(
            "The topic %s keeps dead letters for %d days, and a budget with a hard stop may pause work for %d: what "
            "it leaves undone would be deleted meanwhile. Set the topic's retention.ms to %d or more.",
            DEAD_LETTERS.name,
            kept.days,
            needed.days,
            needed // timedelta(milliseconds=1),
        )


async def budgets_now(settings: Settings, budgets: Sequence[Budget]) -> list[Overview]:
    """How far the budgets are now; nothing is told to anybody.

    Raises:
        UserError: the database cannot be used as it is set.
        UsageUnavailableError: it cannot tell now.
    """
    async with unhurried_engine(settings, SHOWING_BUDGETS) as engine:
        now = datetime.now(UTC)
        told = await PostgresAlertBook(engine).told(now)
        paused = {one.pause_id for one in await PostgresPauseBook(engine).lasting()}
        return await overview(PostgresUsageAnswers(engine), budgets, told, now, paused)
