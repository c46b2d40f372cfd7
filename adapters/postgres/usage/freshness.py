"""How far the consumer is, and which days have no rollup that holds: asked in the snapshot of an answer."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text

from adapters.postgres.usage import kept

# A partition that nobody has told of for long, while others are told of, is not there any more.
_TOLD = """
    told AS (
        SELECT * FROM consumer_positions
        WHERE seen_at > (SELECT max(seen_at) - interval '10 minutes' FROM consumer_positions)
    )
"""
_MARKED = """
    marked AS (
        SELECT tenant_id, first_day FROM usage_marks
        WHERE unit = 'day' AND first_day >= CAST(:first AS date) AND first_day < CAST(:behind AS date) {own}
          AND first_day >= (SELECT day FROM kept)
        {too_late}
    )
"""
_TOO_LATE = """
    UNION
    SELECT tenant_id, day FROM usage_daily_totals
    WHERE day >= CAST(:first AS date) AND day < CAST(:behind AS date) AND last_stored >= :ingested_before {own}
"""

# Behind the snapshot, whatever it waited for: what was stored later than `as_of` is in no answer.
_BEGIN = """
    WITH {kept}, {told}, {marked}
    SELECT clock_timestamp() AS as_of, {dropped},
           (SELECT sum(greatest(end_offset - next_offset, 0))::bigint FROM told) AS lag,
           (SELECT min(seen_at) FROM told) AS lag_as_of,
           (SELECT count(DISTINCT (tenant_id, first_day)) FROM marked) AS marked_days
"""
_ASKED = ("first", "behind", "cut_days", "of_tenant", "ingested_before")


def beginning(parameters: Mapping[str, Any]) -> tuple[TextClause, dict[str, Any]]:
    """The statement before the answer's own, and its parameters: `as_of`, `lag`, `lag_as_of`, `marked_days`, and what
    `adapters.postgres.usage.kept` asks of months that were dropped.

    Args:
        parameters: of the answer's statement: its days, tenants and `ingested_before`.
    """
    asked = {name: parameters[name] for name in _ASKED if name in parameters}
    return _text(own="of_tenant" in asked, early="ingested_before" in asked), asked


@cache
def _text(*, own: bool, early: bool) -> TextClause:
    tenants = "AND tenant_id = ANY(CAST(:of_tenant AS text[]))" if own else ""
    marked = _MARKED.format(own=tenants, too_late=_TOO_LATE.format(own=tenants) if early else "")
    dropped = kept.dropped(tenants, early=early)
    return text(_BEGIN.format(kept=kept.KEPT, dropped=dropped, told=_TOLD, marked=marked))
