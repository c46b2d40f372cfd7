"""Counts dead letters from their table, exactly: two statements over one snapshot."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.on_behalf import STATEMENT_SECONDS, begin_for
from adapters.postgres.reading import answering
from domain.dead_letters.counts import (
    MAX_DEAD_LETTER_GROUPS,
    DeadLetterCounts,
    DeadLetterGroup,
    DeadLetterQuestion,
)
from domain.errors import BudgetExhaustedError, TooManyGroupsError
from domain.keys import NOBODY, Asker

_AS_OF = text("SELECT now()")
_GROUPS = """
    SELECT operation, reason, count(*) AS dead_letters, max(failed_at) AS last_failed_at
    FROM dead_letters WHERE failed_at >= :start AND failed_at < :end {own}
    GROUP BY operation, reason ORDER BY dead_letters DESC, last_failed_at DESC, reason, operation LIMIT :most
"""
_EVERYONES = text(_GROUPS.format(own=""))
_OF_TENANTS = text(_GROUPS.format(own="AND tenant_id = ANY(CAST(:tenants AS text[]))"))


class PostgresDeadLetterReader:
    """Fulfils `domain.dead_letters.counts.DeadLetterReader` on the table `dead_letters`."""

    def __init__(self, engine: AsyncEngine, statement_seconds: float = STATEMENT_SECONDS) -> None:
        self._engine = engine
        self._statement_seconds = statement_seconds

    async def counts(self, question: DeadLetterQuestion, asker: Asker = NOBODY) -> DeadLetterCounts:
        """The counts, from one snapshot; of what the asker may see, whatever is asked.

        Raises:
            TooManyGroupsError: there are more than MAX_DEAD_LETTER_GROUPS groups.
            UsageUnavailableError: the database cannot answer now, or not in time.
        """
        window, tenants = question.window, question.tenants
        asked: dict[str, Any] = {"start": window.start, "end": window.end, "most": MAX_DEAD_LETTER_GROUPS + 1}
        if tenants is not None:
            asked["tenants"] = list(tenants)
        async with answering(self._engine) as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            await begin_for(connection, asker, self._statement_seconds)
            as_of = (await connection.execute(_AS_OF)).scalar_one()
            rows = (await connection.execute(_EVERYONES if tenants is None else _OF_TENANTS, asked)).all()
        groups = _groups(rows)
        return DeadLetterCounts(
            start=window.start,
            end=window.end,
            tenants=tenants,
            total=sum(group.dead_letters for group in groups),
            set_aside_for_budget=sum(
                group.dead_letters for group in groups if group.reason == BudgetExhaustedError.reason
            ),
            groups=groups,
            as_of=as_of,
        )


def _groups(rows: Sequence[Row[Any]]) -> tuple[DeadLetterGroup, ...]:
    if len(rows) > MAX_DEAD_LETTER_GROUPS:
        raise TooManyGroupsError(
            f"The answer has more than {MAX_DEAD_LETTER_GROUPS:,} groups of operations and reasons; ask for a shorter "
            "window."
        )
    return tuple(DeadLetterGroup(**row._mapping) for row in rows)
