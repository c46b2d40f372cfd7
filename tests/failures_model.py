"""Failures, retries and repeats computed in plain Python, from their definitions and nothing else."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from schemas.llm_calls import LLMCall
from tests.usage_support import NOON, llm_call

ZERO = Decimal(0)
EDGES = [NOON + timedelta(hours=hours) for hours in (-1000, -24 * 7, -24, 0, 1, 24, 1000)]
moments = st.sampled_from(EDGES) | st.integers(-200, 200).map(lambda hours: NOON + timedelta(hours=hours))


@st.composite
def invocations(draw) -> list[LLMCall]:
    """Up to four calls on one of a few inputs; their numbers may have gaps, and any of them may fail."""
    began = draw(moments)
    shared = {
        "tenant_id": draw(st.sampled_from(["alder", "birch"])),
        "operation": draw(st.sampled_from(["assign_codes", "judge"])),
        "invocation_id": UUID(int=draw(st.integers(0, 2**128 - 1))),
        "invocation_started_at": began,
        "trace_id": draw(st.sampled_from([None, "a" * 32, "a" * 32, "b" * 32])),
        "record_id": draw(st.sampled_from([None, "r", "r"])),
        "request_id": draw(st.sampled_from([None, None, "q"])),
    }
    return [
        llm_call(
            **shared,
            attempt=number,
            timestamp=began + timedelta(hours=draw(st.sampled_from([0, 0, 2, 30]))),
            model=draw(st.sampled_from([None, "m"])),
            status=draw(st.sampled_from(["ok", "error"])),
            error_class=draw(st.sampled_from([None, "E", "é"])),
            cost_usd=draw(st.none() | st.decimals(0, 10, places=12)),
        )
        for number in sorted(draw(st.sets(st.integers(1, 9), min_size=1, max_size=4)))
    ]


def money(calls: Sequence[LLMCall]) -> Decimal:
    return sum((one.cost_usd for one in calls if one.cost_usd is not None), ZERO)


def has_unpriced(calls: Sequence[LLMCall]) -> bool:
    return any(one.cost_usd is None for one in calls)


def written(told: dict[str, Any]) -> dict[str, Any]:
    """As the API writes it."""
    plain = {name: f"{value:f}" for name, value in told.items() if isinstance(value, Decimal)}
    return told | {name: value.rstrip("0").rstrip(".") if "." in value else value for name, value in plain.items()}


def view(items: Sequence[Sequence[LLMCall]]) -> dict[str, Any]:
    failed = [item for item in items if item[-1].status == "error"]
    return written(
        {
            "total": len(items),
            "cost_usd": money([one for item in items for one in item]),
            "failed": len(failed),
            "failed_cost_usd": money([one for item in failed for one in item]),
            "failed_unpriced": sum(map(has_unpriced, failed)),
        }
    )


def of_window(groups: Any, start: datetime, end: datetime, tenant: str | None) -> tuple[list[Any], list[Any]]:
    own = [group for group in groups if tenant in (None, group[0].tenant_id)]
    calls = [[one] for group in own for one in group if start <= one.timestamp < end]
    return calls, [group for group in own if start <= group[0].invocation_started_at < end]


def defined(groups: Any, start: datetime, end: datetime, tenant: str | None) -> dict[str, Any]:
    """What an answer must say, from the definition alone."""
    calls, begun = of_window(groups, start, end, tenant)
    retries = [[later for earlier, later in pairwise(group) if earlier.status == "error"] for group in begun]
    retried = [one for of_group in retries for one in of_group]
    earlier = {group[0].invocation_id: before(group, groups) for group in begun}
    repeats = [group for group in begun if earlier[group[0].invocation_id]]
    answered = [group for group in repeats if earlier[group[0].invocation_id][-1].status == "ok"]
    return {
        "operation": None,
        "llm_calls": view(calls),
        "invocations": view(begun),
        "retries": written(
            {
                "invocations": sum(map(bool, retries)),
                "calls": len(retried),
                "cost_usd": money(retried),
                "unpriced": sum(one.cost_usd is None for one in retried),
            }
        ),
        "repeats": written(
            {
                "invocations": len(repeats),
                "calls": sum(map(len, repeats)),
                "cost_usd": money([one for group in repeats for one in group]),
                "unpriced": sum(map(has_unpriced, repeats)),
                "after_an_answer": len(answered),
                "after_an_answer_cost_usd": money([one for group in answered for one in group]),
                "not_told": sum(not names_input(group[0]) for group in begun),
            }
        ),
    }


def names_input(one: LLMCall) -> bool:
    return one.operation != "judge" and bool(one.trace_id) and bool(one.record_id or one.request_id)


def before(group: list[LLMCall], groups: list[list[LLMCall]]) -> list[LLMCall]:
    """The latest invocation on the same input before it, within a week; empty: none."""

    def place(calls: list[LLMCall]) -> tuple[datetime, UUID]:
        return calls[0].invocation_started_at, calls[0].invocation_id

    def same(one: LLMCall) -> tuple[Any, ...]:
        return one.tenant_id, one.operation, one.trace_id, one.record_id, one.request_id

    found = [other for other in groups if same(other[0]) == same(group[0]) and place(other) < place(group)]
    latest = max(found, key=place, default=[])
    recent = latest and place(latest)[0] >= place(group)[0] - timedelta(days=7)
    return latest if recent and names_input(group[0]) else []


def kinds(groups: Any, start: datetime, end: datetime, tenant: str | None) -> dict[Any, Any]:
    found: dict[Any, dict[str, Any]] = defaultdict(
        lambda: {
            "failed_calls": 0,
            "failed_calls_cost_usd": ZERO,
            "failed_invocations": 0,
            "failed_invocations_cost_usd": ZERO,
        }
    )
    for name, items in zip(("calls", "invocations"), of_window(groups, start, end, tenant), strict=True):
        for item in items:
            last = item[-1]
            if last.status == "error":
                kind = found[last.operation, last.model or last.request_model, last.error_class]
                kind[f"failed_{name}"] += 1
                kind[f"failed_{name}_cost_usd"] += money(item)
    return {key: written(kind) for key, kind in found.items()}
