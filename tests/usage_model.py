"""The usage report computed in plain Python, from the definitions and nothing else."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from domain.usage.report import Distribution, View, Window
from schemas.llm_calls import LLMCall

Item = dict[str, Any]


def view_of_calls(calls: Sequence[LLMCall], window: Window) -> View:
    return _view([_item([call]) for call in calls if window.start <= call.timestamp < window.end])


def view_of_invocations(calls: Sequence[LLMCall], window: Window) -> View:
    invocations: dict[Any, list[LLMCall]] = {}
    for call in calls:
        if window.start <= call.invocation_started_at < window.end:
            invocations.setdefault(call.invocation_id, []).append(call)
    return _view([_item(group) for group in invocations.values()])


def _item(calls: list[LLMCall]) -> Item:
    last = max(calls, key=lambda call: (call.attempt, call.timestamp, call.call_id))
    return {
        "ok": last.status == "ok",
        "unpriced": any(call.cost_usd is None for call in calls),
        "cost": sum((call.cost_usd for call in calls if call.cost_usd is not None), Decimal(0)),
        "duration_ms": sum(call.call_duration_ms for call in calls),
        "input_tokens": _sum([call.input_tokens for call in calls]),
        "output_tokens": _sum([call.output_tokens for call in calls]),
    }


def _sum(numbers: list[int | None]) -> int | None:
    told = [number for number in numbers if number is not None]
    return sum(told) if told else None


def _view(items: list[Item]) -> View:
    failed = [item for item in items if not item["ok"]]
    return View(
        total=len(items),
        failed=len(failed),
        unpriced=sum(item["unpriced"] for item in items),
        cost_usd=sum((item["cost"] for item in items), Decimal(0)),
        failed_cost_usd=sum((item["cost"] for item in failed), Decimal(0)),
        **{
            name: _distribution([item[name] for item in items if item["ok"] and item[name] is not None])
            for name in ("duration_ms", "input_tokens", "output_tokens")
        },
    )


def _distribution(values: list[float]) -> Distribution:
    if not values:
        return Distribution()
    values = sorted(values)

    def percentile(share: float) -> float:
        place = share * (len(values) - 1)
        below = int(place)
        above = min(below + 1, len(values) - 1)
        return values[below] + (values[above] - values[below]) * (place - below)

    return Distribution(
        avg=sum(values) / len(values),
        min=values[0],
        max=values[-1],
        p5=percentile(0.05),
        p50=percentile(0.5),
        p95=percentile(0.95),
        total=sum(values),
    )


def assert_same(actual: View, expected: View) -> None:
    """Counts and money exactly; measured numbers but for the rounding of floating point."""
    spread = ("duration_ms", "input_tokens", "output_tokens")
    assert actual.model_dump(exclude=set(spread)) == expected.model_dump(exclude=set(spread))
    for name in spread:
        given, wanted = getattr(actual, name).model_dump(), getattr(expected, name).model_dump()
        assert given == (wanted if wanted["avg"] is None else pytest.approx(wanted, rel=1e-9, abs=1e-9)), name
