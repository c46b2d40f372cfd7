"""Telling of thresholds: once for each budget, period and share, whatever is spent and whatever fails meanwhile."""

import asyncio
from collections import Counter
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
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
)
from domain.usage.alerting import BudgetWatch, Owed
from domain.usage.answers import Group, Measures, UsageAnswer
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


@pytest.mark.parametrize("seconds", [-1, 0], ids=["before the end", "at the end"])
async def test_a_hard_stop_is_told_of_only_while_its_period_lasts(seconds):
    spending, publisher, today = Spending(), FakePublisher(), period_at(NOON, "day", UTC_ZONE)
    spending.usd[NOON] = 100
    budget = replace(BUDGET, hard_stop=True)
    await BudgetWatch(
        [budget], spending, MemoryBook(), publisher, lambda: today.end + timedelta(seconds=seconds)
    ).look()
    stops = {event["threshold"]: event["hard_stop"] for event in publisher.on("usage.alerts")}
    assert stops == {**dict.fromkeys(stops, False), "1": seconds < 0}
