"""Budgets: their periods, what is spent of them, what is due to be told, what a forecast is, what a file may hold."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import UserError
from domain.usage.answers import Group, Measures, UsageAnswer
from domain.usage.budget_file import read_budgets
from domain.usage.budgets import (
    GRACE,
    Budget,
    Spent,
    Standing,
    overview,
    period_at,
    periods_at,
    spending,
    standings,
)
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Cairo")
A_BUDGET = Budget("a", None, "month", ZoneInfo("UTC"), Decimal(100))


class Asked:
    """Usage by tenant and operation, the same in any window; keeps what it was asked."""

    def __init__(self, spent: dict[tuple[str, str], tuple[str, int]]) -> None:
        self.spent = spent
        self.questions: list[UsageQuestion] = []

    async def answer(self, question: UsageQuestion, asker: Any) -> UsageAnswer:
        assert asker.superuser
        self.questions.append(question)
        found: dict[tuple[str, ...], Spent] = {}
        for (tenant, operation), (usd, unpriced) in self.spent.items():
            named = {"tenant": tenant, "operation": operation}
            if all(named[dimension] in values for dimension, values in question.filters.items()):
                key = tuple(named[dimension] for dimension in question.group_by)
                found[key] = found.get(key, Spent()) + Spent(Decimal(usd), unpriced)
        groups = [
            Group(
                keys=dict(zip(question.group_by, key, strict=True)),
                llm_calls=Measures(cost_usd=spent.usd, unpriced=spent.unpriced),
                # An invocation belongs to another moment: its cost must not count here.
                invocations=Measures(cost_usd=Decimal(10**6)),
            )
            for key, spent in found.items()
        ]
        return UsageAnswer(groups=tuple(groups), total=Group(), as_of=NOW)


@pytest.mark.parametrize(
    ("moment", "period", "zone", "start", "hours"),
    [
        ("2026-03-29T12:00Z", "day", "Europe/Berlin", "2026-03-28T23:00Z", 23),
        ("2026-10-25T12:00Z", "day", "Europe/Berlin", "2026-10-24T22:00Z", 25),
        ("2026-10-25T12:00Z", "week", "Europe/Berlin", "2026-10-18T22:00Z", 7 * 24 + 1),
        ("2026-03-01T00:00Z", "month", "Europe/Berlin", "2026-02-28T23:00Z", 31 * 24 - 1),
        ("2026-10-31T23:00Z", "month", "Europe/Berlin", "2026-10-31T23:00Z", 30 * 24),
        ("2026-10-31T22:59:59.999999Z", "month", "Europe/Berlin", "2026-09-30T22:00Z", 31 * 24 + 1),
        # Apia left out the 30th of December 2011.
        ("2011-12-30T09:00Z", "day", "Pacific/Apia", "2011-12-29T10:00Z", 24),
        ("2011-12-30T10:00Z", "day", "Pacific/Apia", "2011-12-30T10:00Z", 24),
        # Midnight does not come on the day on which Cairo's clocks go forward.
        ("2026-04-24T12:00Z", "day", "Africa/Cairo", "2026-04-23T22:00Z", 23),
    ],
)
def test_a_period_is_that_of_the_zones_clocks(moment, period, zone, start, hours):
    begins = datetime.fromisoformat(start)
    found = period_at(datetime.fromisoformat(moment), period, ZoneInfo(zone))
    assert found == Window(begins, begins + timedelta(hours=hours))


@settings(deadline=None)
@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
    st.sampled_from(["day", "week", "month"]),
    st.sampled_from(ZONES),
)
def test_a_moment_lies_in_one_period_and_periods_meet(moment, period, name):
    zone = ZoneInfo(name)
    found = period_at(moment, period, zone)
    assert found.start <= moment < found.end
    assert (
        period_at(found.start, period, zone) == period_at(found.end - timedelta(microseconds=1), period, zone) == found
    )
    assert period_at(found.end, period, zone).start == found.end


def test_a_period_is_looked_at_for_a_while_after_its_end_as_calls_come_late():
    budget = replace(A_BUDGET, zone=BERLIN)
    turn = datetime(2026, 10, 31, 23, tzinfo=UTC)
    october, november = period_at(turn - timedelta(1), "month", BERLIN), period_at(turn, "month", BERLIN)
    assert periods_at(turn - timedelta(seconds=1), budget) == (october,)
    assert periods_at(turn, budget) == periods_at(turn + GRACE - timedelta(seconds=1), budget) == (october, november)
    assert periods_at(turn + GRACE, budget) == (november,)


async def test_what_counts_is_the_cost_of_the_tenants_calls_of_the_operation_or_of_all():
    asked = Asked({("a", "x"): ("1.5", 0), ("a", "y"): ("2.000000000001", 3), ("b", "x"): ("64", 1)})
    budgets = [
        A_BUDGET,
        replace(A_BUDGET, operation="x"),
        replace(A_BUDGET, operation="z"),
        replace(A_BUDGET, tenant_id="b"),
    ]
    found = await standings(asked, budgets, NOW)
    assert [one.spent for one in found] == [
        Spent(Decimal("3.500000000001"), 3),
        Spent(Decimal("1.5")),
        Spent(),
        Spent(Decimal(64), 1),
    ]
    # Those that share a period are asked for together; of operations only those that have budgets.
    assert [question.filters for question in asked.questions] == [
        {"tenant": ("a", "b")},
        {"tenant": ("a",), "operation": ("x", "z")},
    ]
    assert not any(question.names_unpriced for question in asked.questions)
    assert asked.questions[0].window == period_at(NOW, "month", ZoneInfo("UTC"))


async def test_many_tenants_are_asked_for_in_turns():
    names = [f"t{number:03}" for number in range(101)]
    asked = Asked({(name, "x"): ("1", 0) for name in names})
    budgets = [replace(A_BUDGET, tenant_id=name, operation=operation) for name in names for operation in (None, "x")]
    found = await spending(asked, [*budgets, *budgets], Window(NOW, NOW + GRACE))
    assert found == {(name, operation): Spent(Decimal(1)) for name in names for operation in (None, "x")}
    assert [len(question.filters["tenant"]) for question in asked.questions] == [100, 1, 100, 1]


def standing(spent: str, unpriced: int = 0, **changes: Any) -> Standing:
    budget = replace(A_BUDGET, **changes)
    return Standing(budget, period_at(NOW, budget.period, budget.zone), Spent(Decimal(spent), unpriced))


def test_a_threshold_is_reached_at_its_very_amount():
    assert standing("49.999999999999").crossed() == ()
    assert standing("50").crossed() == (Decimal("0.5"),)
    assert standing("100").crossed() == (Decimal("0.5"), Decimal("0.8"), Decimal(1))


def test_the_forecast_is_what_is_spent_and_as_much_an_hour_as_in_the_last_seven_days():
    # 168 USD in 168 hours, and 252 hours are left of November.
    assert standing("10").forecast(Spent(Decimal(168)), NOW) == Decimal(10 + 252)
    assert standing("10").forecast(Spent(), NOW) == Decimal(10)
    assert standing("10").forecast(Spent(Decimal(168)), datetime(2026, 12, 1, 0, 30, tzinfo=UTC)) == Decimal(10)


def test_an_alert_says_all_of_it_and_that_the_cost_is_a_lower_bound_where_calls_are_unpriced():
    one = standing("81.500000000000", unpriced=2, operation="x", zone=BERLIN)
    alert = one.alert(Decimal("0.80"), Spent(Decimal(0)), NOW)
    assert (alert.tenant_id, alert.operation, alert.period, alert.zone) == ("a", "x", "month", "Europe/Berlin")
    assert alert.period_start == datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert (alert.unpriced_calls, alert.cost_is_lower_bound) == (2, True)
    assert b'"spent_usd":"81.5"' in alert.to_bytes()
    assert b'"threshold":"0.8"' in alert.to_bytes()
    assert not standing("81").alert(Decimal("0.8"), Spent(), NOW).cost_is_lower_bound


def test_each_budget_period_and_threshold_has_an_id_of_its_own_and_always_the_same():
    month, half = standing("1").window, Decimal("0.5")
    ids = {
        A_BUDGET.alert_id(month, half),
        A_BUDGET.alert_id(month, Decimal("0.8")),
        A_BUDGET.alert_id(period_at(month.end, "month", A_BUDGET.zone), half),
        *(
            replace(A_BUDGET, **change).alert_id(month, half)
            for change in (
                {"tenant_id": "b"},
                {"operation": "x"},
                {"period": "week"},
                {"zone": ZoneInfo("Africa/Abidjan")},
                {"limit_usd": Decimal(101)},
            )
        ),
    }
    assert len(ids) == 8
    written_otherwise = replace(A_BUDGET, limit_usd=Decimal("1E+2"), thresholds=(half,))
    assert written_otherwise.alert_id(Window(month.start.astimezone(BERLIN), month.end), Decimal("0.500")) in ids
    # What was told is known to the next release, too.
    assert A_BUDGET.alert_id(month, half) == UUID("b877dde5-6ae3-5a34-b2c9-d675a949a5c1")


async def test_an_overview_has_the_current_periods_and_what_was_told():
    asked = Asked({("a", "x"): ("60", 0)})
    turn = datetime(2026, 12, 1, 0, 10, tzinfo=UTC)
    november, december = periods_at(turn, A_BUDGET)
    told = {A_BUDGET.alert_id(november, Decimal(1)), A_BUDGET.alert_id(december, Decimal("0.5"))}
    [one] = await overview(asked, [A_BUDGET], told, turn)
    assert (one.standing.window, one.told) == (december, (Decimal("0.5"),))
    assert one.forecast_usd > 60


ENTRY = {"tenant": "a", "period": "month", "limit_usd": Decimal("12.5")}


def test_a_file_has_budgets_and_what_it_leaves_out_is_as_usual():
    whole = {**ENTRY, "operation": "x", "zone": "Europe/Berlin", "thresholds": [Decimal("1.5"), Decimal("0.25"), 1]}
    plainest, full = read_budgets({"budgets": [ENTRY, whole]}, "F")
    assert plainest == Budget("a", None, "month", ZoneInfo("UTC"), Decimal("12.5"))
    assert full.thresholds == (Decimal("0.25"), Decimal(1), Decimal("1.5"))
    assert (full.operation, full.zone) == ("x", BERLIN)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tenant": None}, r"`budgets\[1\].tenant` is null, and not text"),
        ({"tenant": ""}, r"`budgets\[1\].tenant` is empty"),
        ({"operation": ""}, r"`budgets\[1\].operation` is empty"),
        ({"period": "year"}, r"`budgets\[1\].period` is not 'day', 'week' or 'month'"),
        ({"zone": "Mars/Base"}, r"`budgets\[1\].zone` is no IANA time zone"),
        ({"zone": "../etc/passwd"}, r"`budgets\[1\].zone` is no IANA time zone"),
        ({"zone": "Europe"}, r"`budgets\[1\].zone` is no IANA time zone"),
        ({"zone": 1}, r"`budgets\[1\].zone` is not the name of a time zone"),
        ({"limit_usd": 0}, r"`budgets\[1\].limit_usd` is not more than 0"),
        ({"limit_usd": Decimal(-1)}, r"`budgets\[1\].limit_usd` is not more than 0"),
        ({"limit_usd": Decimal("nan")}, r"`budgets\[1\].limit_usd` is a number, and not a finite number"),
        ({"tenant": date(2026, 11, 1)}, r"`budgets\[1\].tenant` is a time, and not text"),
        ({"limit_usd": True}, r"`budgets\[1\].limit_usd` is not a number"),
        ({"limit_usd": Decimal("1e-13")}, r"`budgets\[1\].limit_usd` has more than 12 places"),
        ({"thresholds": []}, r"`budgets\[1\].thresholds` is empty"),
        ({"thresholds": [1, Decimal("1.0")]}, r"`budgets\[1\].thresholds` has the same share twice"),
        ({"thresholds": [0]}, r"`budgets\[1\].thresholds\[0\]` is not more than 0"),
        ({"thresholds": [80, 120]}, r"`budgets\[1\].thresholds\[1\]` is more than 100"),
        ({"limit": 5}, r"`budgets\[1\].limit` is not a name that is known here"),
        ({}, r"two budgets for a month of a in UTC: `budgets\[0\]` and `budgets\[1\]`"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_entry(change: dict[str, Any], said: str):
    with pytest.raises(UserError, match=said) as caught:
        read_budgets({"budgets": [ENTRY, {**ENTRY, **change}]}, "The file")
    assert "\n" not in caught.value.message
    assert "docs/budgets.md" in caught.value.remedy or "Leave one" in caught.value.remedy


@pytest.mark.parametrize("content", [{}, {"budgets": []}, {"budgets": {}}, {"budget": [ENTRY]}, [], {"budgets": ["a"]}])
def test_what_holds_no_budgets_is_no_budget_file(content: dict[str, Any] | Sequence[Any]):
    with pytest.raises(UserError, match="The file is no budget file"):
        read_budgets(content, "The file")
