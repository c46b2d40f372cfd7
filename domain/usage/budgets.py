"""Budgets: what a tenant's LLM calls may cost in a day, week or month, and how far they are.

Amounts are sums of known costs: where calls are unpriced, more was spent, and nobody can say how much.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from domain.keys import Asker
from domain.usage.answers import Group, UsageAnswers
from domain.usage.calendar import stretches
from domain.usage.questions import Filters, UsageQuestion
from domain.usage.report import Window, plain
from schemas.budgets import BudgetThresholdCrossed
from schemas.cloudevents import deterministic_id

Period = Literal["day", "week", "month"]

THRESHOLDS = (Decimal("0.5"), Decimal("0.8"), Decimal(1))

GRACE = timedelta(hours=1)
"""A period is looked at for so long after its end, as calls are stored after they were made."""

RECENT = timedelta(days=7)
"""What a forecast takes for usual."""

EVERYBODY = Asker(superuser=True)

_MICROSECOND = timedelta(microseconds=1)
_PLACES = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent in each period.

    Attributes:
        tenant_id: whose LLM calls count.
        operation: those of one operation; None: all.
        period: by the calendar of `zone`; weeks begin on Monday.
        zone: whose calendar, and clocks.
        limit_usd: US dollars, above 0.
        thresholds: the shares of the limit that are told of, ascending, none twice.
        hard_stop: whether the work that it is for is paused while all of it is spent.
    """

    tenant_id: str
    operation: str | None
    period: Period
    zone: ZoneInfo
    limit_usd: Decimal
    thresholds: tuple[Decimal, ...] = THRESHOLDS
    hard_stop: bool = False

    def alert_id(self, window: Window, threshold: Decimal) -> UUID:
        """The id of what is told of a threshold in one period. Another limit is another budget."""
        return deterministic_id("budget-alert", *self._names(window), plain(threshold))

    def pause_id(self, window: Window) -> UUID:
        """The id of its pause in one period. Another limit is another budget."""
        return deterministic_id("budget-pause", *self._names(window))

    def _names(self, window: Window) -> tuple[str, ...]:
        start = window.start.astimezone(UTC).isoformat()
        return self.tenant_id, self.operation or "", self.period, self.zone.key, plain(self.limit_usd), start


@dataclass(frozen=True, slots=True)
class Spent:
    """What LLM calls have cost.

    Attributes:
        usd: US dollars, as far as they are known.
        unpriced: how many calls have no known cost.
    """

    usd: Decimal = Decimal(0)
    unpriced: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.usd + other.usd, self.unpriced + other.unpriced)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a budget is in one of its periods."""

    budget: Budget
    window: Window
    spent: Spent

    def crossed(self) -> tuple[Decimal, ...]:
        """The thresholds that are reached, ascending."""
        return tuple(one for one in self.budget.thresholds if self.spent.usd >= one * self.budget.limit_usd)

    def untold(self, told: AbstractSet[UUID]) -> tuple[Decimal, ...]:
        """Those of them that nobody was told of."""
        return tuple(one for one in self.crossed() if self.budget.alert_id(self.window, one) not in told)

    @property
    def stopped(self) -> bool:
        """Whether the limit is spent, and more must not be."""
        return self.budget.hard_stop and self.spent.usd >= self.budget.limit_usd

    def forecast(self, recent: Spent, now: datetime) -> Decimal:
        """US dollars at the period's end, if it goes on as in the RECENT time before `now`; at least what is spent."""
        left = max(self.window.end - now, timedelta(0))
        further = recent.usd * (left // _MICROSECOND) / (RECENT // _MICROSECOND)
        return (self.spent.usd + further).quantize(_PLACES)

    def alert(self, threshold: Decimal, recent: Spent, now: datetime) -> BudgetThresholdCrossed:
        """What is told of a threshold."""
        budget, window = self.budget, self.window
        return BudgetThresholdCrossed(
            alert_id=budget.alert_id(window, threshold),
            tenant_id=budget.tenant_id,
            operation=budget.operation,
            period=budget.period,
            zone=budget.zone.key,
            period_start=window.start.astimezone(UTC),
            period_end=window.end.astimezone(UTC),
            limit_usd=_plain(budget.limit_usd),
            threshold=_plain(threshold),
            spent_usd=_plain(self.spent.usd),
            forecast_usd=_plain(self.forecast(recent, now)),
            unpriced_calls=self.spent.unpriced,
            cost_is_lower_bound=self.spent.unpriced > 0,
            hard_stop=budget.hard_stop and threshold >= 1 and now < window.end,
            crossed_at=now,
        )


def _plain(amount: Decimal) -> Decimal:
    return Decimal(plain(amount))


def period_at(moment: datetime, period: Period, zone: ZoneInfo) -> Window:
    """The day, week or month of the zone that a moment lies in; a day there may have 23 or 25 hours."""
    found = stretches(Window(moment, moment + _MICROSECOND), period, zone, 1)
    assert found is not None  # noqa: S101 - no stretch begins within a second
    return found[0]


def periods_at(now: datetime, budget: Budget) -> tuple[Window, ...]:
    """The periods of a budget that are looked at: the current one, and before it one that ended within GRACE."""
    current = period_at(now, budget.period, budget.zone)
    if now - current.start >= GRACE:
        return (current,)
    return period_at(current.start - _MICROSECOND, budget.period, budget.zone), current


Spending = Mapping[tuple[str, str | None], Spent]
"""By tenant and operation; None: all operations."""

_AT_ONCE = 100
"""Tenants, and operations, of one question: what it is answered from has a bound, whoever names operations."""


async def spending(answers: UsageAnswers, budgets: Iterable[Budget], window: Window) -> Spending:
    """What LLM calls in a window have cost, of those that the budgets are for and no others.

    Raises:
        UsageUnavailableError: the database cannot tell now.
    """
    found: dict[tuple[str, str | None], Spent] = {}
    wanted = {(budget.tenant_id, budget.operation) for budget in budgets}
    for tenants in _parts({tenant for tenant, operation in wanted if operation is None}):
        question = UsageQuestion(window, ("tenant",), {"tenant": tenants}, percentiles=(), names_unpriced=False)
        for group in (await answers.answer(question, EVERYBODY)).groups:
            found[str(group.keys["tenant"]), None] = _spent(group)
    for tenants in _parts({tenant for tenant, operation in wanted if operation is not None}):
        for operations in _parts({operation for tenant, operation in wanted if operation and tenant in tenants}):
            filters: Filters = {"tenant": tenants, "operation": operations}
            question = UsageQuestion(window, ("tenant", "operation"), filters, percentiles=(), names_unpriced=False)
            for group in (await answers.answer(question, EVERYBODY)).groups:
                found[str(group.keys["tenant"]), str(group.keys["operation"])] = _spent(group)
    return found


def _parts(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    ordered = sorted(names)
    for first in range(0, len(ordered), _AT_ONCE):
        yield tuple(ordered[first : first + _AT_ONCE])


def _spent(group: Group) -> Spent:
    return Spent(group.llm_calls.cost_usd, group.llm_calls.unpriced)


def spent_of(budget: Budget, found: Spending) -> Spent:
    """The part of it that counts for a budget."""
    return found.get((budget.tenant_id, budget.operation), Spent())


async def standings(answers: UsageAnswers, budgets: Sequence[Budget], now: datetime) -> list[Standing]:
    """How far the budgets are in the periods that are looked at now. Those that share a period are asked for together.

    Raises:
        UsageUnavailableError: the database cannot tell now.
    """
    places = [(budget, window) for budget in budgets for window in periods_at(now, budget)]
    sharing: dict[Window, list[Budget]] = {}
    for budget, window in places:
        sharing.setdefault(window, []).append(budget)
    found = {window: await spending(answers, some, window) for window, some in sharing.items()}
    return [Standing(budget, window, spent_of(budget, found[window])) for budget, window in places]


@dataclass(frozen=True, slots=True)
class Overview:
    """A budget's current period for a person to look at.

    Attributes:
        standing: how far it is.
        forecast_usd: what it comes to at the period's end, if it goes on so.
        told: the thresholds that were told of.
        paused: whether workers are told to pause what it is for.
    """

    standing: Standing
    forecast_usd: Decimal
    told: tuple[Decimal, ...]
    paused: bool = False


async def overview(
    answers: UsageAnswers,
    budgets: Sequence[Budget],
    told: AbstractSet[UUID],
    now: datetime,
    paused: AbstractSet[UUID] = frozenset(),
) -> list[Overview]:
    """How far the budgets are in the periods of now, in their order.

    Args:
        told: the ids of the alerts that were told of.
        paused: the ids of the pauses that last.

    Raises:
        UsageUnavailableError: the database cannot tell now.
    """
    current = [one for one in await standings(answers, budgets, now) if one.window.end > now]
    recent = await spending(answers, budgets, Window(now - RECENT, now))
    return [
        Overview(
            standing=one,
            forecast_usd=one.forecast(spent_of(one.budget, recent), now),
            told=tuple(share for share in one.budget.thresholds if one.budget.alert_id(one.window, share) in told),
            paused=one.budget.pause_id(one.window) in paused,
        )
        for one in current
    ]
