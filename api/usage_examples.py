"""Answers for the description of the API: of `/v1/usage/query`, and of `/v1/usage/failures`."""

from typing import Any

_DURATIONS = {"avg": 812.4, "min": 95.0, "max": 4210.7, "total": 129_984.0}
_PERCENTILES = {"5": 201.9, "50": 702.3, "95": 2011.0}
_INPUT = {"avg": 905.0, "min": 410, "max": 2210, "total": 144_800}
_OUTPUT = {"avg": 61.0, "min": 12, "max": 240, "total": 9760}


def _calls(total: int, failed: int, cost: str, failed_cost: str) -> dict[str, Any]:
    return {
        "total": total,
        "failed": failed,
        "unpriced": 0,
        "attempts": total,
        "late": 0,
        "cost_usd": cost,
        "failed_cost_usd": failed_cost,
        "failed_unpriced": 0,
        "cache_read_input_tokens": 0,
        "reasoning_output_tokens": 0,
        "duration_ms": {**_DURATIONS, "percentiles": _PERCENTILES},
        "input_tokens": {**_INPUT, "percentiles": {"5": 460.2, "50": 880.1, "95": 1790.4}},
        "output_tokens": {**_OUTPUT, "percentiles": {"5": 20.0, "50": 55.3, "95": 151.8}},
    }


def _group(keys: dict[str, str], day: str | None, next_day: str | None, before: tuple[str | None, str | None]) -> Any:
    return {
        "keys": keys,
        "start": day,
        "end": next_day,
        "llm_calls": _calls(163, 3, "0.0211", "0.0003"),
        "previous": {"start": before[0], "end": before[1], "llm_calls": _calls(120, 1, "0.0154", "0")},
    }


EXAMPLE: dict[str, Any] = {
    "from": "2026-11-01T00:00:00+02:00",
    "to": "2026-12-01T00:00:00+02:00",
    "window_is_default": False,
    "zone": "Europe/Kyiv",
    "group_by": ["operation", "day"],
    "compared_with": {"from": "2026-10-01T00:00:00+03:00", "to": "2026-11-01T00:00:00+02:00"},
    "not_compared": None,
    "ingested_before": None,
    "as_of": "2026-12-01T08:12:44.102934Z",
    "freshness": {
        "lag": 0,
        "lag_as_of": "2026-12-01T08:12:41.730018Z",
        "stored_until": "2026-12-01T08:12:39.004512Z",
        "late": 0,
        "marked_days": 1,
        "settled_before": "2026-12-01T08:11:14.102934Z",
        "reproducible": None,
    },
    "next_cursor": "WyIyMDI2LTExLTAxVDAwOjAwOjAwKzAyOjAwIiwg...",
    "total": _group({}, None, None, (None, None)),
    "groups": [
        _group(
            {"operation": "assign_codes"},
            "2026-11-01T00:00:00+02:00",
            "2026-11-02T00:00:00+02:00",
            ("2026-10-01T00:00:00+03:00", "2026-10-02T00:00:00+03:00"),
        )
    ],
}

_FAILED_SO: dict[str, Any] = {
    "llm_calls": {"total": 163, "cost_usd": "0.0211", "failed": 3, "failed_cost_usd": "0.0003", "failed_unpriced": 2},
    "invocations": {"total": 161, "cost_usd": "0.0211", "failed": 1, "failed_cost_usd": "0.0003", "failed_unpriced": 0},
    "retries": {"invocations": 2, "calls": 2, "cost_usd": "0.0003", "unpriced": 0},
    "repeats": {
        "invocations": 4,
        "calls": 4,
        "cost_usd": "0.0005",
        "unpriced": 0,
        "after_an_answer": 3,
        "after_an_answer_cost_usd": "0.0004",
        "not_told": 0,
    },
}

FAILURES: dict[str, Any] = {
    "from": "2026-11-01T00:00:00Z",
    "to": "2026-12-01T00:00:00Z",
    "tenants": ["red-cross"],
    "total": {"operation": None, **_FAILED_SO},
    "operations": [{"operation": "assign_codes", **_FAILED_SO}],
    "kinds": [
        {
            "operation": "assign_codes",
            "model": "openai/gpt-4o-mini",
            "error_class": "RateLimitedError",
            "failed_calls": 2,
            "failed_calls_cost_usd": "0",
            "failed_invocations": 0,
            "failed_invocations_cost_usd": "0",
        },
        {
            "operation": "assign_codes",
            "model": "gpt-4o-mini-2024-07-18",
            "error_class": "InvalidOutputError",
            "failed_calls": 1,
            "failed_calls_cost_usd": "0.0003",
            "failed_invocations": 1,
            "failed_invocations_cost_usd": "0.0003",
        },
    ],
    "as_of": "2026-12-01T08:12:44.102934Z",
    "freshness": {**EXAMPLE["freshness"], "marked_days": 0},
    "window_is_default": False,
}
"""An answer of `/v1/usage/failures`."""
