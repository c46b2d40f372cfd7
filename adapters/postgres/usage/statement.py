"""The one statement that answers a question: rollups where they hold, raw rows where they do not.

A whole month of a tenant comes from `usage_monthly` unless something is marked in it; then its whole days come from
`usage_daily`, but for the marked ones; so with the whole weeks before and behind these months. Marked days, and the
parts of days at the window's edges, are counted from raw rows. Where nothing but tenants is asked for, all rollups have
their totals beside them, which are fewer.
Marks and rows are of one snapshot, so nothing is counted twice and nothing is left out, whatever is written meanwhile.
Of months whose calls were dropped rollups are all there is: no mark of their days counts, and no row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import TextClause, text

from adapters.postgres.usage.columns import COUNTED, DIMENSION_COLUMNS
from adapters.postgres.usage.items import UNPRICED_MODEL, VIEWS, added_up, grouped, items
from adapters.postgres.usage.kept import KEPT, days_of_edges
from domain.usage.calendar import Pieces, cut, pieces
from domain.usage.questions import Dimension, UsageQuestion
from domain.usage.report import Window

MAX_ROWS = 100_000
"""A group that is not all zeros has a row for what failed and one for what did not, in each view; and more for models
without a price. Each takes some kilobytes until the answer is made, and several answers are made at a time."""

_COUNTED = ", ".join(COUNTED)
_NO_MODEL = "CAST(NULL AS text)"

_SPANS = """
    SELECT * FROM unnest(
        CAST(:{name}_numbers AS int[]), CAST(:{name}_starts AS {kind}[]), CAST(:{name}_ends AS {kind}[])
    ) AS span(number, first, behind)
"""

# What was stored, or changed, since the rollups were made. A day that holds rows stored too late for the question is
# no use to it either.
_MARKED = """
    month_spans AS MATERIALIZED ({months}),
    week_spans AS MATERIALIZED ({weeks}),
    day_spans AS MATERIALIZED ({days}),
    edge_spans AS MATERIALIZED (
        SELECT number, greatest(first, (SELECT day FROM kept)::timestamp AT TIME ZONE 'UTC') AS first, behind
        FROM ({edges}) AS edge
    ),
    spans AS (
        SELECT * FROM month_spans UNION ALL SELECT * FROM week_spans UNION ALL SELECT * FROM day_spans
    ),
    marked AS MATERIALIZED (
        SELECT tenant_id, unit, first_day FROM usage_marks
        WHERE first_day >= CAST(:first AS date) AND first_day < CAST(:behind AS date) {own}
          AND (unit <> 'day' OR first_day >= (SELECT day FROM kept))
        {too_late}
    ),
    stale_days AS MATERIALIZED (SELECT DISTINCT tenant_id, first_day AS day FROM marked WHERE unit = 'day'),
    stale_weeks AS MATERIALIZED (
        SELECT DISTINCT tenant_id, date_trunc('week', first_day)::date AS week FROM marked WHERE unit <> 'month'
    ),
    stale_months AS MATERIALIZED (
        SELECT DISTINCT tenant_id, date_trunc('month', first_day)::date AS month FROM marked WHERE unit <> 'week'
    )
"""
_TOO_LATE = """
    UNION ALL
    SELECT DISTINCT tenant_id, 'day', day FROM usage_daily_totals
    WHERE day >= CAST(:first AS date) AND day < CAST(:behind AS date) AND last_stored >= :ingested_before {own}
"""

# OFFSET 0 keeps each span, and each day, a scan of its own: by an index, whatever the planner takes their number for.
_WHOLE = """
    SELECT number, rollup.view, {{keys}}, {counted}, last_stored FROM {unit}_spans AS span
    CROSS JOIN LATERAL (
        SELECT * FROM {table}{{totals}} WHERE {unit} >= span.first AND {unit} < span.behind {{own}} OFFSET 0
    ) AS rollup
    WHERE NOT EXISTS (
        SELECT FROM stale_{unit}s AS stale WHERE stale.tenant_id = rollup.tenant_id AND stale.{unit} = rollup.{unit}
    ) {{filters}}
"""
_BY_DAYS = """
    SELECT number, rollup.view, {{keys}}, {counted}, last_stored FROM {unit}_spans AS span
    JOIN stale_{unit}s AS longer ON longer.{unit} >= span.first AND longer.{unit} < span.behind
    CROSS JOIN LATERAL (
        SELECT * FROM usage_daily{{totals}} WHERE tenant_id = longer.tenant_id
           AND day >= longer.{unit} AND day < (longer.{unit} + interval '1 {unit}')::date OFFSET 0
    ) AS rollup
    WHERE NOT EXISTS (
        SELECT FROM stale_days AS stale WHERE stale.tenant_id = rollup.tenant_id AND stale.day = rollup.day
    ) {{filters}}
"""
_TABLES = {"month": "usage_monthly", "week": "usage_weekly", "day": "usage_daily"}
_ROLLED = " UNION ALL ".join(
    [
        *(_WHOLE.format(unit=unit, table=table, counted=_COUNTED) for unit, table in _TABLES.items()),
        *(_BY_DAYS.format(unit=unit, counted=_COUNTED) for unit in ("month", "week")),
    ]
)

_RAW = """
    SELECT span.number, item.* FROM edge_spans AS span
    CROSS JOIN LATERAL ({of_edge} OFFSET 0) AS item WHERE true {filters}
    UNION ALL
    SELECT span.number, item.* FROM stale_days AS stale
    JOIN spans AS span ON stale.day >= span.first AND stale.day < span.behind
    CROSS JOIN LATERAL ({of_day} OFFSET 0) AS item WHERE true {filters}
"""
_OF_EDGE = "{time} >= span.first AND {time} < span.behind"
_OF_DAY = (
    "tenant_id = stale.tenant_id AND {time} >= stale.day::timestamp AT TIME ZONE 'UTC'"
    " AND {time} < (stale.day + 1)::timestamp AT TIME ZONE 'UTC'"
)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a statement's text depends on; of the filters, whether one takes what has no such value."""

    group_by: tuple[Dimension, ...]
    filters: tuple[tuple[Dimension, bool], ...]
    early: bool
    names_unpriced: bool
    raw: bool
    most: int


def statement(question: UsageQuestion, asked: Mapping[str, Any], *, marked: bool) -> TextClause:
    """The statement for a question, in the snapshot of an earlier one.

    A row: number of the stretch, view, the keys, `failed`, `unpriced_model`, the columns of `COUNTED`, and
    `last_stored`, the latest moment at which something was stored (of a rollup: in its day or month). What has no
    known cost has a row for each model, so that the answer can name the models; all else has one row. More than
    MAX_ROWS rows are too many: producers name what is grouped, and nobody holds them to a few names.

    Args:
        question: what is asked.
        asked: its `parameters`.
        marked: whether any day of it is, as the earlier statement found. Where none is, and nothing but whole days is
            asked for, no raw row is looked for: to plan for them takes longer than all the rest.
    """
    return _text(
        _Shape(
            question.group_by,
            tuple((dimension, None in values) for dimension, values in question.filters.items()),
            early=question.ingested_before is not None,
            names_unpriced=question.names_unpriced,
            raw=marked or bool(asked["edge_numbers"]),
            most=MAX_ROWS + 1,
        )
    )


@lru_cache(maxsize=256)
def _text(shape: _Shape) -> TextClause:
    own = "AND tenant_id = ANY(CAST(:of_tenant AS text[]))" if "tenant" in dict(shape.filters) else ""
    keys = [DIMENSION_COLUMNS[dimension] for dimension in shape.group_by]
    having = _MARKED.format(
        months=_SPANS.format(name="month", kind="date"),
        weeks=_SPANS.format(name="week", kind="date"),
        days=_SPANS.format(name="day", kind="date"),
        edges=_SPANS.format(name="edge", kind="timestamptz"),
        own=own,
        too_late=_TOO_LATE.format(own=own) if shape.early else "",
    )
    sources = [_rolled(shape, keys, own)]
    if shape.raw:
        rows = f"{own} {'AND created_at < :ingested_before' if shape.early else ''}"
        sources += [_raw(view, keys, rows, shape) for view in VIEWS]
    return text(f"WITH {KEPT}, {having} {' UNION ALL '.join(sources)} LIMIT {shape.most}")


def _rolled(shape: _Shape, keys: list[str], own: str) -> str:
    names = ", ".join(f"rollup.{key}" for key in dict.fromkeys([*keys, "status", "model"]))
    totals = "_totals" if {*shape.group_by, *dict(shape.filters)} <= {"tenant"} else ""
    source = _ROLLED.format(totals=totals, keys=names, own=own, filters=_filters("rollup", shape))
    unpriced = UNPRICED_MODEL if shape.names_unpriced else _NO_MODEL
    by = ["number", "view", *keys, "status = 'error' AS failed", f"{unpriced} AS unpriced_model"]
    return added_up(source, by, ("max(last_stored) AS last_stored",))


def _raw(view: str, keys: list[str], rows: str, shape: _Shape) -> str:
    source = _RAW.format(
        of_edge=items(view, f"{_OF_EDGE} {rows}"),
        of_day=items(view, f"{_OF_DAY} {rows}"),
        filters=_filters("item", shape),
    )
    named = shape.names_unpriced and view == "llm_calls"
    unpriced = "CASE WHEN unpriced THEN model END" if named else _NO_MODEL
    by = ["number", f"'{view}' AS view", *keys, "status = 'error' AS failed", f"{unpriced} AS unpriced_model"]
    return grouped(source, by, ("max(created_at) AS last_stored",))


def _filters(of: str, shape: _Shape) -> str:
    """Conditions on an item: an invocation is what it is by its last attempt, so they cannot be asked of its rows."""
    said = []
    for dimension, or_none in shape.filters:
        column = f"{of}.{DIMENSION_COLUMNS[dimension]}"
        named = f"{column} = ANY(CAST(:of_{dimension} AS text[]))"
        said.append(f"AND ({named} OR {column} IS NULL)" if or_none else f"AND {named}")
    return " ".join(said)


def parameters(question: UsageQuestion, stretches: list[Window]) -> dict[str, Any]:
    """The parameters of a question's statement.

    Args:
        question: what is asked.
        stretches: those of its unit, or its window alone. A row's `number` counts them from 0.
    """
    taken = [pieces(cut(stretch, question.window)) for stretch in stretches]
    given: dict[str, Any] = {
        **_spans("month", [piece.months for piece in taken]),
        **_spans("week", [piece.weeks for piece in taken]),
        **_spans("day", [piece.days for piece in taken]),
        **_spans("edge", [[(edge.start, edge.end) for edge in piece.edges] for piece in taken]),
        **_reach(taken),
        "cut_days": days_of_edges([edge for piece in taken for edge in piece.edges]),
    }
    for dimension, values in question.filters.items():
        given[f"of_{dimension}"] = [value for value in values if value is not None]
    if question.ingested_before is not None:
        given["ingested_before"] = question.ingested_before
    return given


def _spans(name: str, of_stretches: list[Any]) -> dict[str, Any]:
    spans = [(number, first, behind) for number, found in enumerate(of_stretches) for first, behind in found]
    return {
        f"{name}_numbers": [number for number, _, _ in spans],
        f"{name}_starts": [first for _, first, _ in spans],
        f"{name}_ends": [behind for _, _, behind in spans],
    }


def _reach(taken: list[Pieces]) -> dict[str, date]:
    """From the first whole day to behind the last one."""
    spans = [span for piece in taken for span in chain(piece.months, piece.weeks, piece.days)]
    if not spans:
        return {"first": date.max, "behind": date.max}
    return {"first": min(first for first, _ in spans), "behind": max(behind for _, behind in spans)}
