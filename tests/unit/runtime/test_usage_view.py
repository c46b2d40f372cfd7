"""What `feedback usage` prints of an answer: within 100 columns, and no number cut."""

from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from runtime.cli.usage_view import bars, money, shown, sparkline

DAY = "2026-11-01T00:00:00Z"


def measures(total: int, cost: str, unpriced: int = 0, failed_unpriced: int = 0) -> dict[str, Any]:
    spread = {"avg": 1.0, "min": 1, "max": 2, "total": 10**13 + 4, "percentiles": {"50": 812.4, "95": 61_200.0}}
    spreads = dict.fromkeys(("duration_ms", "input_tokens", "output_tokens"), spread)
    unknown = {"unpriced": unpriced, "failed_unpriced": failed_unpriced}
    return {"total": total, "failed": total // 2, "cost_usd": cost, **unknown, **spreads}


def group(name: str | None, now: dict[str, Any], before: dict[str, Any] | None, start: str | None = None) -> Any:
    keys = {"operation": name} if start is None else {"operation": name, "model": None}
    return {"keys": keys, "start": start, "llm_calls": now, "previous": before and {"llm_calls": before}}


def answer(*groups: Any, group_by: list[str], total: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "from": "2026-11-01T00:00:00+02:00",
        "to": "2026-12-01T00:00:00+02:00",
        "compared_with": {"from": "2026-10-01T00:00:00+03:00", "to": "2026-11-01T00:00:00+02:00"},
        "as_of": "2026-12-02T08:30:00.5Z",
        "zone": "Europe/Kyiv",
        "not_compared": None,
        "unpriced_models": [],
        "next_cursor": None,
        "group_by": group_by,
        "groups": list(groups),
        "total": total or groups[0],
        **more,
    }


def printed(*parts: Any, width: int = 100) -> list[str]:
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_largest_numbers_fit_and_names_fold():
    large = measures(10_123_456, "1234567.89", 9_876_543)
    one = group("an operation " * 20, large, measures(9_000_000, "1000"), "2026-11-01T13:00:00+02:00")
    hostile = group("[red]x\x1b[31m\u202ey", large, None, "2026-11-02T13:00:00+02:00")
    found = answer(one, hostile, group_by=["operation", "model", "hour"], next_cursor="abc")
    times = answer(one, group_by=["hour"])

    lines = printed(*shown(found, times, "llm_calls", 120))

    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    assert "…" not in text
    for number in ("10,123,456", "5,061,728", "$1,234,567.89", "9,876,543", "812ms", "61.2s", "10.0T", "+12%", "x1235"):
        assert number in text, number
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "There are more groups" in text
    assert "a lower bound: of 9,876,543 of 10,123,456 it is not, or not wholly, known." in text
    assert "LLM calls from 2026-11-01 00:00 +0200 to 2026-12-01 00:00 +0200 (±: since 2026-10-01 00:00 +0300)" in text
    assert lines[-1] == "As of 2026-12-02 10:30:00 +0200."


@pytest.mark.parametrize(
    ("width", "missing"),
    [(100, ""), (80, "out, tokens in"), (64, "out, tokens in, unpriced, p50"), (20, "out, tokens in, unpriced, p50")],
)
def test_a_narrow_terminal_has_the_money_and_is_told_what_it_lacks(width, missing):
    some = measures(4686, "13.92", 3)
    one = group("assign_codes", some, measures(4000, "10"))
    found, times = answer(one, group_by=["operation"]), answer(one | {"start": DAY}, group_by=["day"])
    lines = printed(*shown(found, times, "llm_calls", width), width=max(width, 64))
    (head,) = [line for line in lines if "operation" in line]
    assert len(head) <= max(width, 64)
    assert [name for name in ("out", "tokens in", "unpriced", "p50") if name not in head] == [
        *filter(None, missing.split(", "))
    ]
    assert [line for line in lines if line.startswith("For a wider")] == (
        [f"For a wider terminal: {missing}."] if missing else []
    )
    assert {"$13.92", "p95"} <= set(" ".join(lines).split())


@pytest.mark.parametrize(
    ("lag", "late", "said"),
    [
        (0, 0, ""),
        (None, 0, " How much is not stored yet is not known."),
        (1200, 3, " 1,200 messages were not stored yet at 10:29:58. 3 LLM calls were stored late."),
    ],
)
def test_how_fresh_the_numbers_are(lag, late, said):
    found = answer(
        group("a", measures(1, "0"), None),
        group_by=["operation"],
        freshness={"lag": lag, "lag_as_of": "2026-12-02T08:29:58Z", "late": late},
    )
    times = answer(group("a", measures(1, "0"), None, "2026-11-01T00:00:00+02:00"), group_by=["day"])
    lines = " ".join(printed(*shown(found, times, "llm_calls", 100)))
    assert lines.endswith(f" As of 2026-12-02 10:30:00 +0200.{said}")


def test_a_price_that_nobody_knows_is_told_apart_from_a_call_that_failed():
    models = [
        {"model": "acme/own", "calls": 5, "failed": 1},
        {"model": "openai/gpt-4o", "calls": 3, "failed": 3},
    ]
    one = group("a", measures(100, "1", 8, 4), None)
    found = answer(one, group_by=["operation"], unpriced_models=models)
    said = printed(*shown(found, answer(one | {"start": "2026-11-01T00:00:00Z"}, group_by=["day"]), "llm_calls", 100))
    text = " ".join(said)
    assert "of 8 of 100 it is not, or not wholly, known. 4 of them failed. No price is known for acme/own." in text
    assert "gpt-4o" not in text


@pytest.mark.parametrize(("view", "counted"), [("llm_calls", "calls"), ("invocations", "invoc.")])
def test_the_column_says_what_is_counted(view, counted):
    one = group("a", measures(3, "1"), None)
    one |= {"invocations": one["llm_calls"]}
    lines = printed(
        *shown(answer(one, group_by=["operation"]), answer(one | {"start": DAY}, group_by=["day"]), view, 100)
    )
    assert next(line.split() for line in lines if line.strip().startswith("operation"))[1] == counted


def test_why_there_is_nothing_to_compare_with():
    why = "The period before cannot be told exactly. Of 2026-10 only whole days are left."
    one = group("a", measures(1, "1"), None)
    found = answer(one, group_by=["operation"], compared_with=None, not_compared=why)
    times = answer(one | {"start": "2026-11-01T00:00:00Z"}, group_by=["day"])
    said = printed(*shown(found, times, "llm_calls", 100))
    assert why in said
    assert "±" not in "".join(said)


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [(110, 100, "+10%"), (100, 100, "0%"), (0, 100, "-100%"), (5, 0, "new"), (0, 0, "-"), (2000, 100, "x20")],
)
def test_the_change_since_the_period_before(now, before, said):
    one = group("a", measures(now, "0"), measures(before, "0"))
    lines = printed(
        *shown(
            answer(one, group_by=["operation"]),
            answer(one | {"start": "2026-11-01T00:00:00Z"}, group_by=["day"]),
            "llm_calls",
            100,
        )
    )
    assert next(line for line in lines if line.strip().startswith("a ")).split()[2] == said


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("0", "$0.00"),
        ("1234.567", "$1,234.57"),
        ("0.5", "$0.50"),
        ("0.0123", "$0.012"),
        ("0.000000012", "$0.000000012"),
    ],
)
def test_small_amounts_are_not_nothing(amount, said):
    assert money(amount) == said


def test_bars_are_as_high_as_what_they_stand_for():
    assert bars([Decimal(one) for one in range(9)]) == " ▂▃▄▅▆▇██"
    assert bars([Decimal("0.000001"), Decimal(1000)]) == "▁█"
    # Of many, those that follow each other are added up.
    assert bars([Decimal(1)] * 70 + [Decimal(0)] * 30) == "█" * 35 + " " * 15


def test_a_time_in_which_nothing_was_spent():
    nothing = group(None, measures(3, "0"), None, "2026-11-01T00:00:00Z")
    assert sparkline(answer(nothing, group_by=["week"]), "llm_calls") == "Cost per week: nothing."
