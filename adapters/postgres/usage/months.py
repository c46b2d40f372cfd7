"""Makes the partitions of `llm_calls`: one for each month, before it begins or once there are rows of it.

Rows of a month without one are stored in `llm_calls_other`, so nothing depends on it: it is tried again, ever less
often, and keeps nobody waiting who asks or writes.
"""

import logging
import time
from collections.abc import Callable
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.database_errors import is_databases_fault, sqlstate, summary

logger = logging.getLogger(__name__)

TO_COME = 2
BACK = 24
"""Months: an older one that has rows in `llm_calls_other` stays there, as one that is far ahead does. A sender with a
broken clock makes no thousand partitions, each of which every question would have to look at."""
OLDER_AT_ONCE = 2

FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0
"""Seconds until it is tried again, where the database did not let it end: all others waited for it, too."""
BUSY_PAUSE = 5.0
"""The same, where others used the table just then: those who came after had to wait. It doubles, too."""

_MISSING = text(f"""
    SELECT first, first >= this AS is_due FROM (
        SELECT this, (this + number * interval '1 month')::date AS first
        FROM date_trunc('month', now() AT TIME ZONE 'UTC') AS this, generate_series(-{BACK}, {TO_COME}) AS number
    ) AS month
    WHERE to_regclass('llm_calls_' || to_char(first, 'YYYYMM')) IS NULL ORDER BY first
""")
# With bounds that the planner knows, so that it looks into no other partition.
_HAS_ROWS = """
    SELECT EXISTS (
        SELECT FROM llm_calls WHERE "timestamp" >= timestamp '{first}' AT TIME ZONE 'UTC'
           AND "timestamp" < (timestamp '{first}' + interval '1 month') AT TIME ZONE 'UTC'
    )
"""
_MAKE = text("SELECT ensure_llm_calls_month(:first)")

# Whoever waits for a lock keeps those out who come after: months are made long before they begin, so that can wait.
PATIENCE = text("SELECT set_config('lock_timeout', '200', true)")
"""For a lock on the whole table: whoever wants one tries again, and lets others work in between."""
_LOCK_NOT_AVAILABLE = "55P03"


async def make_month(connection: AsyncConnection, first: date) -> None:
    """Make the partition of the month that begins then, unless it is there; others wait until the transaction ends.

    Raises:
        SQLAlchemyError: what the database says; `is_busy` where others use the table just now.
    """
    await connection.execute(PATIENCE)
    await connection.execute(_MAKE, {"first": first})


def is_busy(error: BaseException) -> bool:
    """Whether it is only that others use the table just now."""
    return sqlstate(error) == _LOCK_NOT_AVAILABLE


class Months:
    """Keeps the partitions of this month, of those to come, and of those that have rows without having one.

    Args:
        engine: connections of who may run `ensure_llm_calls_month`.
        clock: seconds that go on.
    """

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._older_at = self._again_at = clock()
        self._pause, self._busy_pause = FIRST_PAUSE, BUSY_PAUSE
        self._first: date | None = None

    async def make(self) -> bool:
        """Make what is missing, a bounded number; False where the database did not let it end, which is logged once.

        Where the table is being used for longer just now, it is left for another time.
        """
        if self._clock() < self._again_at:
            return True
        try:
            await self._make()
        except Exception as error:
            if not is_databases_fault(error):
                raise
            if is_busy(error):
                self._again_at = self._clock() + self._busy_pause
                self._busy_pause = min(2 * self._busy_pause, LONGEST_PAUSE)
                return True
            self._put_off(error)
            return False
        if self._pause > FIRST_PAUSE:
            logger.info("partitions of llm_calls can be made again")
        self._pause, self._busy_pause = FIRST_PAUSE, BUSY_PAUSE
        return True

    async def _make(self) -> None:
        self._first = None
        async with self._engine.connect() as connection:
            missing = (await connection.execute(_MISSING)).all()
        for first, is_due in missing:
            if is_due:
                await self._make_one(first)
        if self._clock() >= self._older_at:
            await self._make_older([first for first, is_due in missing if not is_due])

    async def _make_older(self, missing: list[date]) -> None:
        made = 0
        for first in missing:
            self._first = first
            async with self._engine.connect() as connection:
                has_rows = (await connection.execute(text(_HAS_ROWS.format(first=first)))).scalar_one()
            if has_rows:
                await self._make_one(first)
                made += 1
            if made == OLDER_AT_ONCE:
                return
        # Rows of a month without a partition are rare: looking for them can wait, too.
        self._older_at = self._clock() + LONGEST_PAUSE

    async def _make_one(self, first: date) -> None:
        self._first = first
        async with self._engine.begin() as connection:
            await make_month(connection, first)

    def _put_off(self, error: Exception) -> None:
        if self._pause == FIRST_PAUSE:
            day = f"'{self._first}'" if self._first else "current_date"
            logger.warning(
                "The partition of a month could not be made (%s). Rollups go on, and its rows are stored with those of "
                "other months; it is tried again now and then. Where that does not help, have the tables' owner run, "
                "without a limit on time: SELECT ensure_llm_calls_month(%s);",
                summary(error),
                day,
            )
        self._again_at = self._clock() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
