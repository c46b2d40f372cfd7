"""`feedback budgets`: what it is made of."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from adapters.postgres.budget_alerts import PostgresAlertBook
from adapters.postgres.engine import Engine
from adapters.postgres.rights import SHOWING_BUDGETS, WATCHING_BUDGETS
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.webhook import HTTPWebhook, WebhookSettings
from domain.errors import UserError
from domain.ports import EventPublisher
from domain.usage.alerting import BudgetWatch, keep_telling, keep_watching
from domain.usage.budgets import Budget, Overview, overview
from runtime.process import run_with, together
from runtime.settings import Settings
from runtime.wiring.parts import patient_engine, publisher, unhurried_engine

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
    """What tells of budgets' thresholds, until `stop` is set. It waits while the database or Kafka is away.

    Raises:
        UserError: Kafka, the database or the webhook cannot be used as they are set.
    """
    told = webhook_settings(settings)

    @asynccontextmanager
    async def parts() -> AsyncIterator[Parts]:
        async with AsyncExitStack() as stack:
            events = await stack.enter_async_context(publisher(settings))
            engine = await stack.enter_async_context(patient_engine(settings, WATCHING_BUDGETS))
            webhook = await stack.enter_async_context(HTTPWebhook(told)) if told is not None else None
            yield events, engine, webhook

    async def work(found: Parts) -> None:
        events, engine, webhook = found
        book, news = PostgresAlertBook(engine), asyncio.Event()
        watch = BudgetWatch(budgets, PostgresUsageAnswers(engine), book, events)
        loops = [keep_watching(watch, stop, settings.budget_seconds, news)]
        if webhook is not None:
            loops.append(keep_telling(book, webhook, stop, settings.budget_seconds, news))
        await together(*loops)

    await run_with(parts(), work, stop)


async def budgets_now(settings: Settings, budgets: Sequence[Budget]) -> list[Overview]:
    """How far the budgets are now; nothing is told to anybody.

    Raises:
        UserError: the database cannot be used as it is set.
        UsageUnavailableError: it cannot tell now.
    """
    async with unhurried_engine(settings, SHOWING_BUDGETS) as engine:
        now = datetime.now(UTC)
        told = await PostgresAlertBook(engine).told(now)
        return await overview(PostgresUsageAnswers(engine), budgets, told, now)
