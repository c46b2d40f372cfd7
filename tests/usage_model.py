"""Usage computed in plain Python, from the definitions and nothing else: the report, and answers to questions."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from domain.usage.answers import Group, Measures, Spread, UsageAnswer
from domain.usage.calendar import cut, stretches
from domain.usage.questions import UsageQuestion
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
    return Distribution(
        avg=sum(values) / len(values),
        min=values[0],
        max=values[-1],
        p5=percentile_cont(values, 5),
        p50=percentile_cont(values, 50),
        p95=percentile_cont(values, 95),
        total=sum(values),
    )


def assert_same(actual: View, expected: View) -> None:
    """Counts and money exactly; measured numbers but for the rounding of floating point."""
    spread = ("duration_ms", "input_tokens", "output_tokens")
    assert actual.model_dump(exclude=set(spread)) == expected.model_dump(exclude=set(spread))
    for name in spread:
        given, wanted = getattr(actual, name).model_dump(), getattr(expected, name).model_dump()
        assert given == (wanted if wanted["avg"] is None else pytest.approx(wanted, rel=1e-9, abs=1e-9)), name


@dataclass(frozen=True, slots=True)
class Stored:
    """A call, and when it was stored."""

    call: LLMCall
    created_at: datetime


def assert_answers(answer: UsageAnswer, question: UsageQuestion, rows: Sequence[Stored]) -> None:
    """Hold an answer against the rows: all but percentiles and averages to the last digit, those within 1 %."""
    told = [row for row in rows if question.ingested_before is None or row.created_at < question.ingested_before]
    parts = [question.window]
    if question.unit is not None:
        parts = [cut(one, question.window) for one in stretches(question.window, question.unit, question.zone, 9999)]
    found: dict[tuple[int, tuple[str | None, ...]], dict[str, list[Item]]] = {}
    every: dict[str, list[Item]] = {"llm_calls": [], "invocations": []}
    for view, items in _items(told).items():
        for item in items:
            number = next((n for n, part in enumerate(parts) if part.start <= item["at"] < part.end), None)
            if number is None or any(item[name] not in values for name, values in question.filters.items()):
                continue
            place = number, tuple(item[name] for name in question.group_by)
            found.setdefault(place, {"llm_calls": [], "invocations": []})[view].append(item)
            every[view].append(item)
    _assert_group(answer.total, every, question)
    given = {_place(group, question): group for group in answer.groups}
    assert len(given) == len(answer.groups)
    assert list(given) == sorted(given, key=lambda place: (place[0], [(key is None, key or "") for key in place[1]]))
    of_keys = {keys for _, keys in found} if question.group_by else {()}
    assert set(given) == {(number, keys) for number in range(len(parts)) for keys in of_keys}
    for place, group in given.items():
        _assert_group(group, found.get(place, {"llm_calls": [], "invocations": []}), question)


def _place(group: Group, question: UsageQuestion) -> tuple[int, tuple[str | None, ...]]:
    keys = tuple(group.keys[name] for name in question.group_by)
    if question.unit is None:
        assert (group.start, group.end) == (None, None)
        return 0, keys
    wanted = stretches(question.window, question.unit, question.zone, 9999)
    return wanted.index(Window(group.start, group.end)), keys


def _items(rows: Sequence[Stored]) -> dict[str, list[Item]]:
    invocations: dict[Any, list[Stored]] = {}
    for row in rows:
        call = row.call
        of = call.tenant_id, call.operation, call.invocation_id, call.invocation_started_at
        invocations.setdefault(of, []).append(row)
    return {
        "llm_calls": [_whole_item([row], row.call.timestamp) for row in rows],
        "invocations": [_whole_item(group, group[0].call.invocation_started_at) for group in invocations.values()],
    }


def _whole_item(rows: list[Stored], at: datetime) -> Item:
    calls = [row.call for row in rows]
    last = max(calls, key=lambda call: (call.attempt, call.timestamp, call.call_id))
    named = ("operation", "provider", "status", "error_class", "prompt_version")
    return _item(calls) | {
        "at": at,
        **{name: getattr(last, name) for name in named},
        "tenant": last.tenant_id,
        "model": last.model if last.model is not None else last.request_model,
        "attempts": len(calls),
        "late": sum(row.created_at > _ended(row.call) + timedelta(hours=1) for row in rows),
        "cache_read_input_tokens": _sum([call.cache_read_input_tokens for call in calls]) or 0,
        "reasoning_output_tokens": _sum([call.reasoning_output_tokens for call in calls]) or 0,
        "duration_ms": Decimal(sum(_microseconds(call) for call in calls)) / 1000,
    }


def _ended(call: LLMCall) -> datetime:
    return call.timestamp + timedelta(milliseconds=call.call_duration_ms)


def _microseconds(call: LLMCall) -> int:
    """Whole ones, of the fifteen digits that PostgreSQL takes a double for."""
    return int((Decimal(f"{call.call_duration_ms:.15g}") * 1000).quantize(Decimal(1), ROUND_HALF_UP))


def _assert_group(group: Group, items: dict[str, list[Item]], question: UsageQuestion) -> None:
    for view, measures in (("llm_calls", group.llm_calls), ("invocations", group.invocations)):
        _assert_measures(measures, items[view], question.percentiles)


def _assert_measures(measures: Measures, items: list[Item], percentiles: Iterable[float]) -> None:
    failed = [item for item in items if not item["ok"]]
    spreads = {"duration_ms", "input_tokens", "output_tokens"}
    added = ("unpriced", "attempts", "late", "cache_read_input_tokens", "reasoning_output_tokens")
    given = measures.model_dump(exclude=spreads)
    wanted = {
        "total": len(items),
        "failed": len(failed),
        **{name: sum(item[name] for item in items) for name in added},
        "cost_usd": _plain(sum((item["cost"] for item in items), Decimal(0))),
        "failed_cost_usd": _plain(sum((item["cost"] for item in failed), Decimal(0))),
        "failed_unpriced": sum(item["unpriced"] for item in failed),
        "cost_is_lower_bound": any(item["unpriced"] for item in items),
    }
    assert given == wanted, (given, wanted)
    for name in spreads:
        _assert_spread(
            getattr(measures, name), [i[name] for i in items if i["ok"] and i[name] is not None], percentiles
        )


def _plain(amount: Decimal) -> str:
    return View(cost_usd=amount).model_dump()["cost_usd"]


def _assert_spread(spread: Spread, values: list[Any], percentiles: Iterable[float]) -> None:
    assert set(spread.percentiles) == {f"{percent:g}" for percent in percentiles}
    if not values:
        assert spread == Spread(percentiles=dict.fromkeys(spread.percentiles))
        return
    kind = type(spread.min)
    assert (spread.min, spread.max, spread.total) == (kind(min(values)), kind(max(values)), kind(sum(values)))
    assert spread.avg == pytest.approx(float(Decimal(sum(values)) / len(values)), rel=1e-12)
    ordered = [float(value) for value in sorted(values)]
    for percent in percentiles:
        given, wanted = spread.percentiles[f"{percent:g}"], percentile_cont(ordered, percent)
        assert given == pytest.approx(wanted, rel=0.01 * (1 + 1e-6), abs=1e-9), (percent, ordered)
        assert ordered[0] <= given <= ordered[-1]


def percentile_cont(ordered: Sequence[float], percent: float) -> float:
    """As PostgreSQL has it: between neighbours linearly."""
    place = percent / 100 * (len(ordered) - 1)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    return below + (above - below) * (place % 1)
