"""Answers usage questions from `llm_calls`: one statement a question, so that an answer is of one moment."""

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import RowMapping, TextClause, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.reading import answering
from domain.usage.report import Distribution, OperationUsage, TenantUsage, View, Window

E = TypeVar("E")
N = TypeVar("N", int, float)
Views = dict[str, dict[str, View]]
"""Name of the group -> name of the view -> the view."""

_CALLS = """
    SELECT tenant_id, operation, status = 'ok' AS ok, cost_usd, cost_usd IS NULL AS unpriced,
           call_duration_ms AS duration_ms, input_tokens::numeric, output_tokens::numeric
    FROM llm_calls
    WHERE {rows}
"""

# Grouped by all that names an invocation, so that what does not agree on one is counted once, in one place.
_INVOCATIONS = """
    SELECT tenant_id, operation,
           (array_agg(status ORDER BY attempt DESC, "timestamp" DESC, call_id DESC))[1] = 'ok' AS ok,
           sum(cost_usd) AS cost_usd, bool_or(cost_usd IS NULL) AS unpriced,
           sum(call_duration_ms) AS duration_ms, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
    FROM llm_calls
    WHERE {rows}
    GROUP BY tenant_id, operation, invocation_id, invocation_started_at
"""

_DISTRIBUTION = """
    avg({of}) FILTER (WHERE ok) AS {of}_avg, min({of}) FILTER (WHERE ok) AS {of}_min,
    max({of}) FILTER (WHERE ok) AS {of}_max, sum({of}) FILTER (WHERE ok) AS {of}_total,
    percentile_cont(ARRAY[0.05, 0.5, 0.95]) WITHIN GROUP (ORDER BY {of}::float8) FILTER (WHERE ok) AS {of}_percentiles
"""

_VIEW = """
    SELECT '{view}' AS view, {name} AS name, {is_total} AS is_total,
           count(*) AS total, count(*) FILTER (WHERE NOT ok) AS failed, count(*) FILTER (WHERE unpriced) AS unpriced,
           coalesce(sum(cost_usd), 0) AS cost_usd,
           coalesce(sum(cost_usd) FILTER (WHERE NOT ok), 0) AS failed_cost_usd, {distributions}
    FROM window_{view} {grouping}
"""


_WINDOW = "{time} >= :start AND {time} < :end"
_OWN_WINDOW = f"{_WINDOW} AND tenant_id = :tenant_id"
_GIVEN_CALLS = "call_id = ANY(:calls)"


def _question(by: str | None, rows: str) -> TextClause:
    """Both views, of all rows in question (`by` None) or for every value of the column `by` and for all together.

    `rows` says which rows those are; `{time}` in it stands for the column that the view's windows go by.
    """
    fields = ("duration_ms", "input_tokens", "output_tokens")
    shape = {
        "name": "NULL::text" if by is None else by,
        "is_total": "true" if by is None else f"GROUPING({by}) = 1",
        "grouping": "" if by is None else f"GROUP BY GROUPING SETS (({by}), ())",
        "distributions": ", ".join(_DISTRIBUTION.format(of=field) for field in fields),
    }
    views = " UNION ALL ".join(_VIEW.format(view=view, **shape) for view in ("llm_calls", "invocations"))
    calls = _CALLS.format(rows=rows.format(time='"timestamp"'))
    invocations = _INVOCATIONS.format(rows=rows.format(time="invocation_started_at"))
    sources = f"window_llm_calls AS ({calls}), window_invocations AS ({invocations})"
    return text(f"WITH {sources} {views}")


def _question_of_calls(by: str) -> TextClause:
    return _question(by, _GIVEN_CALLS).bindparams(bindparam("calls", type_=ARRAY(Uuid)))


_OF_TENANT = _question(None, _OWN_WINDOW)
_BY_TENANT, _BY_OPERATION = _question("tenant_id", _WINDOW), _question("operation", _WINDOW)
_OF_CALLS_BY_TENANT, _OF_CALLS_BY_OPERATION = _question_of_calls("tenant_id"), _question_of_calls("operation")


class PostgresUsageReader:
    """The fixed reports on raw rows, with exact percentiles: for a job's own calls, and to hold rollups against."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of_tenant(self, tenant_id: str, window: Window) -> TenantUsage:
        """What the tenant used; zeros where nothing."""
        _, total = await self._ask(_OF_TENANT, {**_moments(window), "tenant_id": tenant_id})
        return TenantUsage(tenant_id=tenant_id, start=window.start, end=window.end, **total)

    async def by_tenant(self, window: Window) -> list[TenantUsage]:
        """Every tenant that used something, by name, and last the grand total."""
        return await self._list(TenantUsage, "tenant_id", window, _BY_TENANT, _moments(window))

    async def by_operation(self, window: Window) -> list[OperationUsage]:
        """Every operation that was used, by name, and last the grand total."""
        return await self._list(OperationUsage, "operation", window, _BY_OPERATION, _moments(window))

    async def of_calls(self, calls: Collection[UUID], window: Window) -> tuple[list[TenantUsage], list[OperationUsage]]:
        """The same two lists over nothing but these LLM calls; `window` is only named in them."""
        given = {"calls": list(calls)}
        return (
            await self._list(TenantUsage, "tenant_id", window, _OF_CALLS_BY_TENANT, given),
            await self._list(OperationUsage, "operation", window, _OF_CALLS_BY_OPERATION, given),
        )

    async def _list(
        self, entry: Callable[..., E], name: str, window: Window, question: TextClause, parameters: dict[str, Any]
    ) -> list[E]:
        """An entry for each group, by its name, and last the grand total, whose name is None."""
        groups, total = await self._ask(question, parameters)
        named = [*sorted(groups.items()), (None, total)]
        return [entry(**{name: group}, start=window.start, end=window.end, **views) for group, views in named]

    async def _ask(self, question: TextClause, parameters: dict[str, Any]) -> tuple[Views, dict[str, View]]:
        async with answering(self._engine) as connection:
            rows = (await connection.execute(question, parameters)).mappings().all()
        return _sorted_out(rows)


def _moments(window: Window) -> dict[str, Any]:
    return {"start": window.start, "end": window.end}


def _sorted_out(rows: Iterable[RowMapping]) -> tuple[Views, dict[str, View]]:
    groups: Views = {}
    total: dict[str, View] = {}
    for row in rows:
        views = total if row["is_total"] else groups.setdefault(row["name"], {})
        views[row["view"]] = _view(row)
    return groups, total


def _view(row: RowMapping) -> View:
    return View(
        total=row["total"],
        failed=row["failed"],
        unpriced=row["unpriced"],
        cost_usd=Decimal(row["cost_usd"]),
        failed_cost_usd=Decimal(row["failed_cost_usd"]),
        duration_ms=_distribution(row, "duration_ms", float),
        input_tokens=_distribution(row, "input_tokens", int),
        output_tokens=_distribution(row, "output_tokens", int),
    )


def _distribution(row: RowMapping, of: str, number: Callable[[Any], N]) -> Distribution:
    if row[f"{of}_avg"] is None:
        return Distribution()
    p5, p50, p95 = row[f"{of}_percentiles"]
    return Distribution(
        avg=float(row[f"{of}_avg"]),
        min=number(row[f"{of}_min"]),
        max=number(row[f"{of}_max"]),
        p5=p5,
        p50=p50,
        p95=p95,
        total=number(row[f"{of}_total"]),
    )
