"""Telling of thresholds: once for each budget, period and share, whatever is spent and whatever fails meanwhile."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import (
    BrokerUnavailableError,
    FeedbackError,
    SinkUnavailableError,
    UsageUnavailableError,
    WebhookUnavailableError,
)
from domain.usage import budget_loops
from domain.usage.alerting import BudgetWatch, Owed
from domain.usage.answers import Group, Measures, UsageAnswer
from domain.usage.budget_loops import keep_telling, keep_watching
from domain.usage.budget_tally import BudgetTally
from domain.usage.budgets import GRACE, Budget, period_at
from schemas.budgets import BudgetThresholdCrossed
from tests.fakes import FakePublisher

UTC_ZONE = ZoneInfo("UTC")
BUDGET = Budget("a", None, "day", UTC_ZONE, Decimal(100))
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Spending:
    """What each day has cost so far; away when told."""

    def __init__(self) -> None:
        self.usd: dict[datetime, int] = {}
        self.failures: list[FeedbackError] = []

    async def answer(self, question, asker) -> UsageAnswer:
        if self.failures:
            raise self.failures.pop(0)
        usd = sum(usd for day, usd in self.usd.items() if question.window.start <= day < question.window.end)
        group = Group(keys={"tenant": "a", "operation": "x"}, llm_calls=Measures(cost_usd=Decimal(usd)))
        return UsageAnswer(groups=(group,), total=Group(), as_of=NOON)


class MemoryBook:
    """What was told, in memory; `fails` is asked before each write, and may raise."""

    def __init__(self) -> None:
        self.alerts: dict[UUID, BudgetThresholdCrossed] = {}
        self.taken_ids: set[UUID] = set()
        self.fails: Callable[[], None] = lambda: None

    async def told(self, ending_after: datetime) -> AbstractSet[UUID]:
        return {key for key, alert in self.alerts.items() if alert.period_end > ending_after}

    async def remember(self, alert: BudgetThresholdCrossed) -> None:
        self.fails()
        self.alerts.setdefault(alert.alert_id, alert)

    async def owed(self, ending_after: datetime) -> list[Owed]:
        owed = await self.told(ending_after) - self.taken_ids
        return [Owed(key, alert.to_bytes()) for key, alert in self.alerts.items() if key in owed]

    async def taken(self, alert_id: UUID) -> None:
        self.fails()
        self.taken_ids.add(alert_id)


class CrashError(Exception):
    """The process is gone."""


def crash() -> None:
    raise CrashError


def away() -> None:
    raise SinkUnavailableError("The database is away.")


def told_of(publisher: FakePublisher) -> Counter[tuple[str, str]]:
    """How often each (day, threshold) was told, each id once."""
    events = {event["alert_id"]: event for event in publisher.on("usage.alerts")}
    return Counter((event["period_start"], event["threshold"]) for event in events.values())


steps = st.lists(
    st.tuples(
        st.integers(0, 50 * 60),  # minutes until the next look: sometimes days
        st.integers(-1, 130),  # what is spent meanwhile, and now and then priced anew for less
        st.sampled_from(["", "", "", "crash after publishing", "no broker", "no database"]),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(steps)
async def test_each_threshold_is_told_once_whatever_is_spent_and_whoever_dies(history):
    spending, book, publisher, now, reached = Spending(), MemoryBook(), FakePublisher(), NOON, set()
    for minutes, usd, fate in history:
        now += timedelta(minutes=minutes)
        day = now.replace(hour=0, minute=0)
        spending.usd[day] = max(spending.usd.get(day, 0) + usd, 0)
        # A new process, each time: nothing is remembered but what is in the book.
        watch = BudgetWatch([BUDGET], spending, book, publisher, lambda now=now: now)
        book.fails = crash if fate == "crash after publishing" else away if fate == "no database" else lambda: None

        def refuse(message, fate=fate):
            if fate == "no broker":
                raise BrokerUnavailableError("Kafka is away.")

        publisher.refuse = refuse
        try:
            await watch.look()
        except (CrashError, FeedbackError):
            continue
        reached |= {(day, share) for share in BUDGET.thresholds if spending.usd[day] >= share * 100}
        # What the book holds was sent before, and once under one id.
        told = told_of(publisher)
        assert set(told.values()) <= {1}
        assert {(datetime.fromisoformat(start), Decimal(share)) for start, share in told} >= reached
    sent = Counter(event["alert_id"] for event in publisher.on("usage.alerts"))
    crashes = sum(fate in ("crash after publishing", "no database") for *_, fate in history)
    assert sum(sent.values()) - len(sent) <= crashes
    assert {str(key) for key in book.alerts} <= set(sent)
    assert all(
        Decimal(event["spent_usd"]) >= Decimal(event["threshold"]) * 100 for event in publisher.on("usage.alerts")
    )


async def test_an_event_is_remembered_only_when_the_broker_has_it_and_comes_again_under_the_same_id():
    spending, book, publisher = Spending(), MemoryBook(), FakePublisher()
    spending.usd[NOON] = 60
    watch = BudgetWatch([BUDGET], spending, book, publisher, lambda: NOON)
    publisher.open.clear()
    looking = asyncio.create_task(watch.look())
    await asyncio.sleep(0)
    assert not book.alerts
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)

    publisher.open.set()
    book.fails = crash
    with pytest.raises(CrashError):
        await watch.look()
    spending.usd[NOON] = 70
    book.fails = lambda: None
    assert await watch.look() == 1
    first, second = publisher.on("usage.alerts")
    assert first["alert_id"] == second["alert_id"]
    assert (first["spent_usd"], second["spent_usd"]) == ("60", "70")
    assert await watch.look() == 0
    [message, _] = publisher.acknowledged
    headers = dict(message.headers)
    assert headers["ce_id"].decode() == first["alert_id"]
    assert (headers["ce_type"], message.key) == (b"usage.budget-threshold-crossed", b"a")


async def test_what_was_spent_at_the_end_of_a_period_is_told_after_it():
    spending, book, publisher = Spending(), MemoryBook(), FakePublisher()
    yesterday = period_at(NOON, "day", UTC_ZONE)
    spending.usd[yesterday.end - timedelta(seconds=1)] = 60
    late = BudgetWatch([BUDGET], spending, book, publisher, lambda: yesterday.end + GRACE)
    assert await late.look() == 0
    in_time = BudgetWatch([BUDGET], spending, book, publisher, lambda: yesterday.end + GRACE - timedelta(seconds=1))
    assert await in_time.look() == 1
    [event] = publisher.on("usage.alerts")
    assert event["period_start"] == "2026-11-20T00:00:00Z"
    assert event["forecast_usd"] == "60"


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
