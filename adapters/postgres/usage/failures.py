"""Counts failures, retries and repeats, exactly, from the rows of single LLM calls.

Rollups know neither attempts nor inputs. So many rows are read as there are in the window and, for repeats, in the
days before it; each is sorted twice, and none is looked up by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, RowMapping, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.on_behalf import STATEMENT_SECONDS, begin_snapshot_for
from adapters.postgres.reading import answering
from adapters.postgres.usage.freshness import beginning
from adapters.postgres.usage.items import items
from domain.errors import DroppedCallsError, TooManyGroupsError
from domain.keys import NOBODY, Asker
from domain.usage.failures import (
    INPUT_NOT_TOLD,
    MAX_FAILURE_GROUPS,
    REPEATED_WITHIN,
    Failed,
    FailureKind,
    FailureQuestion,
    Failures,
    OperationFailures,
    Repeats,
    Retries,
)
from domain.usage.freshness import Told, freshness
from domain.usage.report import Window

_KEYS = "operation, model, CASE WHEN status = 'error' THEN error_class END AS error_class, status = 'error' AS failed"
_COUNTED = "count(*) AS total, count(*) FILTER (WHERE unpriced) AS unpriced, coalesce(sum(cost_usd), 0) AS cost_usd"

_CALLS = """
    SELECT {keys}, {counted}, sum(late) AS late, max(created_at) AS stored FROM ({items}) AS item
    GROUP BY 1, 2, 3, 4 LIMIT {most}
"""

# What an invocation is by its last attempt, and which attempts are retries, comes of one sorting of its calls. Sorting
# compares what differs soonest, and numbers before texts: that takes a third off the whole.
_INVOCATIONS = """
    WITH call AS (
        SELECT tenant_id, operation, invocation_id, invocation_started_at AS began, trace_id, record_id, request_id,
               coalesce(model, request_model) AS model, status, error_class, cost_usd,
               coalesce(lag(status) OVER attempts = 'error', false) AS is_retry,
               lead(call_id) OVER attempts IS NULL AS is_last
        FROM llm_calls
        WHERE invocation_started_at >= :reach AND invocation_started_at < :end {own}
        WINDOW attempts AS (
            PARTITION BY invocation_id, invocation_started_at, tenant_id, operation
            ORDER BY attempt, "timestamp", call_id
        )
    ),
    invocation AS (
        SELECT tenant_id, operation, invocation_id, began, max(model) FILTER (WHERE is_last) AS model,
               max(status) FILTER (WHERE is_last) AS status, max(error_class) FILTER (WHERE is_last) AS error_class,
               count(*) AS calls, sum(cost_usd) AS cost_usd, bool_or(cost_usd IS NULL) AS unpriced,
               count(*) FILTER (WHERE is_retry) AS retries,
               sum(cost_usd) FILTER (WHERE is_retry) AS retries_cost_usd,
               count(*) FILTER (WHERE is_retry AND cost_usd IS NULL) AS retries_unpriced,
               max(trace_id) AS trace_id, max(record_id) AS record_id, max(request_id) AS request_id
        FROM call GROUP BY invocation_id, began, tenant_id, operation
    ),
    named AS (
        SELECT *, trace_id IS NOT NULL AND coalesce(record_id, request_id) IS NOT NULL
               AND operation <> ALL(CAST(:input_not_told AS text[])) AS is_named,
               hashtextextended(coalesce(trace_id, invocation_id::text), 0) AS trace
        FROM invocation
    ),
    followed AS (
        SELECT *, lag(began) OVER of_input AS earlier, lag(status) OVER of_input AS earlier_status
        FROM named
        WINDOW of_input AS (
            PARTITION BY trace, is_named, tenant_id, operation, trace_id, record_id, request_id
            ORDER BY began, invocation_id
        )
    ),
    item AS (
        SELECT *, is_named AND coalesce(earlier >= began - CAST(:within AS interval), false) AS is_repeat
        FROM followed WHERE began >= :start
    )
    SELECT {keys}, {counted},
           count(*) FILTER (WHERE retries > 0) AS retried, sum(retries) AS retries,
           coalesce(sum(retries_cost_usd), 0) AS retries_cost_usd, sum(retries_unpriced) AS retries_unpriced,
           count(*) FILTER (WHERE is_repeat) AS repeats,
           coalesce(sum(calls) FILTER (WHERE is_repeat), 0) AS repeats_calls,
           coalesce(sum(cost_usd) FILTER (WHERE is_repeat), 0) AS repeats_cost_usd,
           count(*) FILTER (WHERE is_repeat AND unpriced) AS repeats_unpriced,
           count(*) FILTER (WHERE is_repeat AND earlier_status = 'ok') AS after_an_answer,
           coalesce(sum(cost_usd) FILTER (WHERE is_repeat AND earlier_status = 'ok'), 0) AS after_an_answer_cost_usd,
           count(*) FILTER (WHERE NOT is_named) AS not_told
    FROM item GROUP BY 1, 2, 3, 4 LIMIT {most}
"""
_OWN = "AND tenant_id = ANY(CAST(:of_tenant AS text[]))"


class PostgresFailureAnswers:
    """Fulfils `domain.usage.failures.FailureAnswers` on raw rows."""

    def __init__(self, engine: AsyncEngine, statement_seconds: float = STATEMENT_SECONDS) -> None:
        self._engine = engine
        self._statement_seconds = statement_seconds

    async def failures(self, question: FailureQuestion, asker: Asker = NOBODY) -> Failures:
        """The answer, from one snapshot; of what the asker may see, whatever is asked.

        Raises:
            DroppedCallsError: a part of the window is of months whose LLM calls were dropped.
            TooManyGroupsError: it has more than MAX_FAILURE_GROUPS groups.
            UsageUnavailableError: the database cannot answer now, or not in time.
        """
        asked = _parameters(question)
        shape = {
            "keys": _KEYS,
            "counted": _COUNTED,
            "own": _OWN if question.tenants is not None else "",
            "most": MAX_FAILURE_GROUPS + 1,
        }
        in_window = f"{{time}} >= :start AND {{time}} < :end {shape['own']}"
        calls = text(_CALLS.format(items=items("llm_calls", in_window), **shape))
        async with answering(self._engine) as connection:
            await begin_snapshot_for(connection, asker, self._statement_seconds)
            begun = (await connection.execute(*beginning(asked))).one()
            _check_kept(begun)
            of_calls = (await connection.execute(calls, asked)).mappings().all()
            of_invocations = (await connection.execute(text(_INVOCATIONS.format(**shape)), asked)).mappings().all()
        return _Answering(question).answer(of_calls, of_invocations, begun)


def _parameters(question: FailureQuestion) -> dict[str, Any]:
    window = question.window
    return {
        "start": window.start,
        "end": window.end,
        "reach": window.start - REPEATED_WITHIN,
        "within": REPEATED_WITHIN,
        "input_not_told": list(INPUT_NOT_TOLD),
        # Of no day a rollup will do, and of none it matters whether it is marked.
        "cut_days": _days(window),
        "first": date.max,
        "behind": date.max,
        **({"of_tenant": list(question.tenants)} if question.tenants is not None else {}),
    }


def _days(window: Window) -> list[date]:
    first = window.start.astimezone(UTC).date()
    last = (window.end - timedelta(microseconds=1)).astimezone(UTC).date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _check_kept(begun: Row[Any]) -> None:
    if begun.cuts_dropped:
        raise DroppedCallsError(
            f"Single LLM calls are kept from {begun.raw_from} on, and retries and repeats are told from nothing else. "
            "Ask from that day on."
        )


@dataclass(slots=True)
class _Sums:
    """Some rows of the statements, added up by the names of their columns, those of calls apart from the others."""

    of: dict[str, dict[str, Any]] = field(default_factory=lambda: {"llm_calls": {}, "invocations": {}})

    def add(self, view: str, row: RowMapping) -> None:
        sums = self.of[view]
        for name, value in row.items():
            if name not in _NO_SUMS:
                sums[name] = sums.get(name, 0) + value
        if row["failed"]:
            for name in ("total", "cost_usd", "unpriced"):
                sums[f"failed_{name}"] = sums.get(f"failed_{name}", 0) + row[name]

    def failures(self, operation: str | None = None) -> OperationFailures:
        said = self.of["invocations"]
        return OperationFailures(
            operation=operation,
            llm_calls=self._failed("llm_calls"),
            invocations=self._failed("invocations"),
            retries=Retries(
                invocations=int(said.get("retried", 0)),
                calls=int(said.get("retries", 0)),
                cost_usd=said.get("retries_cost_usd", Decimal(0)),
                unpriced=int(said.get("retries_unpriced", 0)),
            ),
            repeats=Repeats(
                invocations=int(said.get("repeats", 0)),
                calls=int(said.get("repeats_calls", 0)),
                cost_usd=said.get("repeats_cost_usd", Decimal(0)),
                unpriced=int(said.get("repeats_unpriced", 0)),
                after_an_answer=int(said.get("after_an_answer", 0)),
                after_an_answer_cost_usd=said.get("after_an_answer_cost_usd", Decimal(0)),
                not_told=int(said.get("not_told", 0)),
            ),
        )

    def _failed(self, view: str) -> Failed:
        sums = self.of[view]
        return Failed(
            total=int(sums.get("total", 0)),
            cost_usd=Decimal(sums.get("cost_usd", 0)),
            failed=int(sums.get("failed_total", 0)),
            failed_cost_usd=Decimal(sums.get("failed_cost_usd", 0)),
            failed_unpriced=int(sums.get("failed_unpriced", 0)),
        )


_NO_SUMS = frozenset({"operation", "model", "error_class", "failed", "stored"})


class _Answering:
    """Puts the rows of the two statements together."""

    def __init__(self, question: FailureQuestion) -> None:
        self._question = question
        self._total = _Sums()
        self._operations: dict[str, _Sums] = {}
        self._kinds: dict[tuple[str, str, str | None], _Sums] = {}

    def answer(self, calls: Sequence[RowMapping], invocations: Sequence[RowMapping], begun: Row[Any]) -> Failures:
        for view, rows in (("llm_calls", calls), ("invocations", invocations)):
            for row in rows:
                self._add(view, row)
        if max(len(calls), len(invocations)) > MAX_FAILURE_GROUPS:
            raise TooManyGroupsError(
                f"The answer has more than {MAX_FAILURE_GROUPS:,} groups of operations, models and error classes; ask "
                "for a shorter window."
            )
        kinds = [_kind(key, sums) for key, sums in self._kinds.items()]
        window = self._question.window
        return Failures(
            start=window.start,
            end=window.end,
            tenants=self._question.tenants,
            total=self._total.failures(),
            operations=tuple(self._operations[name].failures(name) for name in sorted(self._operations)),
            kinds=tuple(sorted(kinds, key=_most_first)),
            as_of=begun.as_of,
            freshness=freshness(
                Told(begun.lag, begun.lag_as_of),
                begun.as_of,
                stored_until=max((row["stored"] for row in calls), default=None),
                late=int(self._total.of["llm_calls"].get("late", 0)),
            ),
        )

    def _add(self, view: str, row: RowMapping) -> None:
        self._total.add(view, row)
        self._operations.setdefault(row["operation"], _Sums()).add(view, row)
        if row["failed"]:
            self._kinds.setdefault((row["operation"], row["model"], row["error_class"]), _Sums()).add(view, row)


def _kind(key: tuple[str, str, str | None], sums: _Sums) -> FailureKind:
    operation, model, error_class = key
    calls, invocations = sums.of["llm_calls"], sums.of["invocations"]
    return FailureKind(
        operation=operation,
        model=model,
        error_class=error_class,
        failed_calls=int(calls.get("total", 0)),
        failed_calls_cost_usd=Decimal(calls.get("cost_usd", 0)),
        failed_invocations=int(invocations.get("total", 0)),
        failed_invocations_cost_usd=Decimal(invocations.get("cost_usd", 0)),
    )


def _most_first(kind: FailureKind) -> tuple[object, ...]:
    counts = (-kind.failed_calls, -kind.failed_invocations)
    return *counts, kind.operation, kind.model, kind.error_class or ""
