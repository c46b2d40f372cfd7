"""Since when there are single LLM calls: of earlier days only whole ones can be told of, from their rollups."""

from collections.abc import Sequence
from datetime import UTC, date, timedelta
from typing import Any

from sqlalchemy import Row

from domain.errors import DroppedCallsError
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window

KEPT = "kept AS MATERIALIZED (SELECT coalesce((SELECT raw_from FROM usage_retention), '-infinity') AS day)"
"""The first day of which there are LLM calls, for a statement's WITH."""

_DROPPED = """
    (SELECT raw_from FROM usage_retention) AS raw_from,
    CASE WHEN (SELECT isfinite(day) FROM kept) THEN EXISTS (
        SELECT FROM usage_daily_totals
        WHERE day = ANY(CAST(:cut_days AS date[])) AND day < (SELECT kept.day FROM kept) {own}
    ) ELSE false END AS cuts_dropped,
    {early} AS dropped_stored_later
"""
_EARLY = """
    CASE WHEN (SELECT isfinite(day) FROM kept) THEN EXISTS (
        SELECT FROM usage_daily_totals WHERE day >= CAST(:first AS date) AND day < CAST(:behind AS date)
           AND day < (SELECT kept.day FROM kept) AND last_stored >= :ingested_before {own}
    ) ELSE false END
"""


def dropped(own: str, *, early: bool) -> str:
    """What is asked of dropped months before a question is answered, as expressions of a statement with `KEPT`.

    Args:
        own: a condition on the tenants.
        early: whether there is an `ingested_before`.
    """
    return _DROPPED.format(own=own, early=_EARLY.format(own=own) if early else "false")


def days_of_edges(edges: Sequence[Window]) -> list[date]:
    """The days of UTC that are asked of in part."""
    found: set[date] = set()
    for edge in edges:
        day, last = edge.start.astimezone(UTC).date(), (edge.end - timedelta(microseconds=1)).astimezone(UTC).date()
        found |= {day, last}  # an edge is shorter than two days, or there would be a whole one in it
    return sorted(found)


def check_kept(question: UsageQuestion, begun: Row[Any]) -> None:
    """See that the question can be answered exactly.

    Args:
        question: what is asked.
        begun: what the statement with `dropped` found.

    Raises:
        DroppedCallsError: it takes single calls that were dropped.
    """
    if not begun.cuts_dropped and not begun.dropped_stored_later:
        return
    since = f"Single LLM calls are kept from {begun.raw_from} on, and of the months before what whole days add up to"
    if begun.dropped_stored_later and not begun.cuts_dropped:
        raise DroppedCallsError(
            f"{since}: some of them were stored after `ingested_before`. Ask without it, or from {begun.raw_from} on."
        )
    if question.unit is not None:
        raise DroppedCallsError(
            f"{since}. Before that day, group by day, week or month of the zone UTC, from midnight to midnight in UTC."
        )
    raise DroppedCallsError(f"{since}. Before that day, ask from midnight to midnight in UTC.")
