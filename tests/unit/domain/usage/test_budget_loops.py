"""The loops of `feedback budgets`: what they wait out, what ends them, and whom they tell."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.errors import BrokerUnavailableError, UsageUnavailableError, WebhookUnavailableError
from domain.usage import budget_loops
from domain.usage.alerting import BudgetWatch, Owed
from domain.usage.budget_loops import keep_telling, keep_watching
from domain.usage.budget_tally import BudgetTally
from domain.usage.budgets import GRACE
from tests.fakes import FakePublisher
from tests.unit.domain.usage.test_alerting import BUDGET, NOON, CrashError, MemoryBook, Spending, away, crash


@pytest.fixture
def no_pause(monkeypatch):
    for name in ("FIRST_PAUSE", "LONGEST_PAUSE"):
        monkeypatch.setattr(budget_loops, name, 0.0)


async def test_no_outage_ends_the_watch(no_pause):
    spending, book, publisher, stop = Spending(), MemoryBook(), FakePublisher(), asyncio.Event()
    spending.usd[NOON] = 60
    spending.failures = [UsageUnavailableError("away"), UsageUnavailableError("away")]
    problems = iter([BrokerUnavailableError("away"), None, None])
    failures = iter([away, away, stop.set])

    def refuse(message):
        if (problem := next(problems, None)) is not None:
            raise problem

    def fail() -> None:
        next(failures)()

    publisher.refuse, book.fails = refuse, fail
    watch = BudgetWatch([BUDGET], spending, book, publisher, lambda: NOON)
    async with asyncio.timeout(30):
        await keep_watching(watch, stop, 0.0, asyncio.Event())
    assert len(book.alerts) == 1
    # The first look and the second were told that the database is away, the third that Kafka is, the fourth and the
    # fifth again that the database is.
    assert (watch.tally.outages, watch.tally.told) == (5, 1)
    assert len({event["alert_id"] for event in publisher.on("usage.alerts")}) == 1


async def test_a_bug_ends_it_and_stop_breaks_it_off(no_pause):
    spending, book, publisher, stop = Spending(), MemoryBook(), FakePublisher(), asyncio.Event()
    spending.usd[NOON] = 60
    watch = BudgetWatch([BUDGET], spending, book, publisher, lambda: NOON)
    book.fails = crash
    with pytest.raises(CrashError):
        await keep_watching(watch, stop, 0.0, asyncio.Event())
    publisher.open.clear()  # a broker that never answers
    watching = asyncio.create_task(keep_watching(watch, stop, 0.0, asyncio.Event()))
    await asyncio.sleep(0)
    stop.set()
    async with asyncio.timeout(30):
        await watching


class Hook:
    """Refuses the ids it is told to; counts what it is told."""

    def __init__(self) -> None:
        self.refuses: Callable[[UUID], bool] = lambda alert_id: False
        self.told: list[Owed] = []
        self.heard = asyncio.Condition()

    async def tell(self, alert: Owed) -> None:
        async with self.heard:
            self.told.append(alert)
            self.heard.notify_all()
        if self.refuses(alert.alert_id):
            raise WebhookUnavailableError("The webhook did not take an alert (status 500).")

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30), self.heard:
            await self.heard.wait_for(lambda: len(self.told) >= count)


async def test_a_webhook_is_told_again_until_it_takes_it_and_holds_up_nothing_else(no_pause):
    spending, book, publisher, hook = Spending(), MemoryBook(), FakePublisher(), Hook()
    stop, news, times, tally = asyncio.Event(), asyncio.Event(), [NOON], BudgetTally()
    spending.usd[NOON] = 90
    assert await BudgetWatch([BUDGET], spending, book, publisher, lambda: NOON).look() == 2
    first, second = list(book.alerts)
    hook.refuses = lambda alert_id: alert_id == first
    telling = asyncio.create_task(keep_telling(book, hook, stop, 3600, news, tally, lambda: times[-1]))
    await hook.until(2)
    news.set()
    await hook.until(3)
    assert [owed.alert_id for owed in hook.told] == [first, second, first]
    assert json.loads(hook.told[0].event) == publisher.on("usage.alerts")[0]
    assert book.taken_ids == {second}
    assert tally.refused == 2

    # When the period, and the time for what comes late, is over it is told no more.
    times.append(datetime(2026, 11, 21, tzinfo=UTC) + GRACE)
    news.set()
    while news.is_set():  # noqa: ASYNC110 - it is cleared by the loop
        await asyncio.sleep(0)
    stop.set()
    async with asyncio.timeout(30):
        await telling
    assert len(hook.told) == 3


async def test_stop_breaks_off_a_webhook_that_does_not_answer():
    spending, book, publisher, stop = Spending(), MemoryBook(), FakePublisher(), asyncio.Event()
    spending.usd[NOON] = 60
    await BudgetWatch([BUDGET], spending, book, publisher, lambda: NOON).look()
    asked = asyncio.Event()

    class Silent:
        async def tell(self, alert: Owed) -> None:
            asked.set()
            await asyncio.Event().wait()

    telling = asyncio.create_task(
        keep_telling(book, Silent(), stop, 3600, asyncio.Event(), BudgetTally(), lambda: NOON)
    )
    async with asyncio.timeout(30):
        await asked.wait()
        stop.set()
        await telling
    assert not book.taken_ids
