"""Drops the LLM calls of old months, whole partitions at a time, once their rollups hold; those stay.

What makes it safe: in the transaction that drops, nobody writes (the lock), nobody rolls (the rollers' own lock), and
no mark is left on a dropped day, so that all that was ever stored is in the rollups. From then on `usage_retention`
says that these days are not counted anew, and a constraint refuses what is told of them later.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.database_errors import sqlstate
from adapters.postgres.llm_calls import KEPT_CONSTRAINT
from adapters.postgres.reading import working
from adapters.postgres.usage.months import PATIENCE
from adapters.postgres.usage.roller import LOCK, PostgresUsageRoller
from domain.errors import UsageUnavailableError, UserError

TRIES = 60
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 5.0
"""Between two tries, ever longer: some minutes in all, in which others have most of the time."""
_BUSY = frozenset({"55P03", "40P01"})
"""A lock that was not to be had in time; a deadlock."""
_PARTITION = re.compile(r"llm_calls_(\d{4})(\d{2})")


@dataclass(frozen=True, slots=True)
class Month:
    """The LLM calls of one month of UTC.

    Attributes:
        first: its first day.
        calls, tenants: how many LLM calls there are, and of how many tenants.
        cost_usd: what they cost, as far as it is known.
        is_dropped: whether it is to be dropped.
    """

    first: date
    calls: int
    tenants: int
    cost_usd: Decimal
    is_dropped: bool


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What would be dropped.

    Attributes:
        raw_from: the first day of which there will be LLM calls.
        kept_from: of which there are now, by earlier droppings; None: none was.
        months: those with LLM calls, in order.
        partitions: what goes with them, by name.
        marked_days: tenants' days of them that are not counted yet.
    """

    raw_from: date
    kept_from: date | None
    months: Sequence[Month]
    partitions: Sequence[str]
    marked_days: int

    @property
    def dropped(self) -> Sequence[Month]:
        """The months that go."""
        return [month for month in self.months if month.is_dropped]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to drop."""
        return not self.dropped and not self.partitions


_NOW = text("""
    SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date AS this_month,
           (SELECT raw_from FROM usage_retention) AS kept_from,
           (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'llm_calls'::regclass) AS is_owner
""")
_MONTHS = text("""
    SELECT date_trunc('month', "timestamp" AT TIME ZONE 'UTC')::date AS first, count(*) AS calls,
           count(DISTINCT tenant_id) AS tenants, coalesce(sum(cost_usd), 0) AS cost_usd
    FROM llm_calls GROUP BY 1 ORDER BY 1
""")
_PARTITIONS = text("""
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'llm_calls'::regclass ORDER BY relname
""")
_MARKED = text("SELECT count(DISTINCT (tenant_id, first_day)) FROM usage_marks WHERE unit = 'day' AND first_day < :day")

# In both views: an invocation of these days may have calls of later ones, too. What is said to have been called before
# its invocation began may be of a month that was dropped already: an invocation's rollup may hold more than there is.
_DIFFERENT = text("""
    WITH counted AS (
        SELECT 'llm_calls' AS view, tenant_id, ("timestamp" AT TIME ZONE 'UTC')::date AS day, cost_usd FROM llm_calls
        WHERE "timestamp" < :behind
        UNION ALL
        SELECT 'invocations', tenant_id, (invocation_started_at AT TIME ZONE 'UTC')::date, cost_usd FROM llm_calls
        WHERE invocation_started_at < :behind
    ), raw AS (
        SELECT view, tenant_id, day, count(*) AS calls, coalesce(sum(cost_usd), 0) AS cost_usd
        FROM counted GROUP BY view, tenant_id, day
    ), rolled AS (
        SELECT view, tenant_id, day, sum(attempts) AS calls, sum(cost_usd) AS cost_usd
        FROM usage_daily WHERE day < :raw_from GROUP BY view, tenant_id, day
    )
    SELECT DISTINCT to_char(day, 'YYYY-MM') AS month FROM raw FULL JOIN rolled USING (view, tenant_id, day)
    WHERE CASE WHEN view = 'invocations' THEN coalesce(raw.calls, 0) > coalesce(rolled.calls, 0)
               ELSE raw.calls IS DISTINCT FROM rolled.calls OR raw.cost_usd IS DISTINCT FROM rolled.cost_usd END
      AND (CAST(:kept_from AS date) IS NULL OR day >= :kept_from)
    ORDER BY month
""")

_ALONE = text("SELECT pg_try_advisory_xact_lock(:lock)")
_REMEMBER = text("""
    INSERT INTO usage_retention (raw_from) VALUES (:day)
    ON CONFLICT (is_one) DO UPDATE SET raw_from = greatest(usage_retention.raw_from, excluded.raw_from)
""")
_FORGET_OTHER = text('DELETE FROM llm_calls_other WHERE "timestamp" < :behind')
_LEFT = text('SELECT EXISTS (SELECT FROM llm_calls WHERE "timestamp" < :behind)')


class PostgresRetention:
    """Drops old months.

    Args:
        engine: connections of the tables' owner; a plan alone may be anybody's who reads them.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def plan(self, keep_months: int) -> RetentionPlan:
        """What is older than this month and so many whole ones before it, by the database's clock, in UTC.

        Raises:
            UsageUnavailableError: the database cannot answer now.
        """
        async with working(self._engine) as connection:
            now = (await connection.execute(_NOW)).one()
            raw_from = max(_months_before(now.this_month, keep_months), now.kept_from or date.min)
            found = (await connection.execute(_MONTHS)).mappings().all()
            partitions = await _partitions_before(connection, raw_from)
            marked = (await connection.execute(_MARKED, {"day": raw_from})).scalar_one()
        months = [Month(**row, is_dropped=row["first"] < raw_from) for row in found]
        return RetentionPlan(raw_from, now.kept_from, months, partitions, marked)

    async def check_owner(self) -> None:
        """See that we may drop the tables.

        Raises:
            UserError: they are somebody else's.
            UsageUnavailableError: the database cannot answer now.
        """
        async with working(self._engine) as connection:
            if not (await connection.execute(_NOW)).one().is_owner:
                raise UserError(
                    "Only the owner of the table llm_calls may drop its partitions.",
                    "Run this as the user that migrates, or try --dry-run (docs/security.md has the roles).",
                )

    async def roll(self, plan: RetentionPlan) -> AsyncIterator[int]:
        """Count what is marked of the months that go, so that their rollups hold; tells how many days are left.

        Raises:
            UserError: it does not come to an end.
            SinkUnavailableError, UsageUnavailableError: the database cannot do it now.
        """
        roller = PostgresUsageRoller(self._engine)
        idle = 0
        while True:
            async with working(self._engine) as connection:
                left = (await connection.execute(_MARKED, {"day": plan.raw_from})).scalar_one()
            yield left
            if not left:
                return
            rolled = await roller.roll()
            idle = 0 if rolled is not None and rolled.days else idle + 1
            if idle > TRIES:
                raise UserError(
                    f"{left:,} days of tenants are being written to or counted by others all the time.",
                    "Nothing was dropped. Try again when the consumer has no older LLM calls to store.",
                )
            if idle:
                await asyncio.sleep(PAUSE_SECONDS)

    async def check_rollups(self, plan: RetentionPlan) -> None:
        """See that the rollups of what goes add up to the same calls and the same cost, to the last digit.

        Raises:
            UserError: they do not.
            UsageUnavailableError: the database cannot answer now.
        """
        asked = {"raw_from": plan.raw_from, "behind": _beginning(plan.raw_from), "kept_from": plan.kept_from}
        async with working(self._engine) as connection:
            different = (await connection.execute(_DIFFERENT, asked)).scalars().all()
        if different:
            raise UserError(
                f"The rollups do not add up to the LLM calls of {', '.join(different)}. Nothing was dropped.",
                "See whether rows of llm_calls or of usage_daily were changed by hand, or restored (docs/usage.md).",
            )

    async def drop(self, plan: RetentionPlan) -> bool:
        """Drop it all, in one transaction; False where something was stored meanwhile that is not counted yet.

        Raises:
            UserError: the tables are never free, or rows would be left in partitions that are not ours.
            UsageUnavailableError: the database cannot do it now; nothing was dropped.
        """
        for tried in range(TRIES):
            try:
                async with working(self._engine) as connection:
                    done = await _drop(connection, plan)
            except UsageUnavailableError as error:
                if sqlstate(error) not in _BUSY:
                    raise
                done = None
            if done is not None:
                return done
            await asyncio.sleep(min(PAUSE_SECONDS * (tried + 1), LONGEST_PAUSE_SECONDS))
        raise UserError(
            "The tables are in use all the time. Nothing was dropped.",
            "Try again when fewer questions are asked; it takes a second alone.",
        )


async def _partitions_before(connection: AsyncConnection, raw_from: date) -> list[str]:
    names = (await connection.execute(_PARTITIONS)).scalars().all()
    return [name for name in names if _month_of(name) < raw_from]


async def _drop(connection: AsyncConnection, plan: RetentionPlan) -> bool | None:
    """None: a roller is at work."""
    await connection.execute(PATIENCE)
    if not (await connection.execute(_ALONE, {"lock": LOCK})).scalar_one():
        return None
    await connection.execute(text("LOCK TABLE llm_calls IN ACCESS EXCLUSIVE MODE"))
    if (await connection.execute(_MARKED, {"day": plan.raw_from})).scalar_one():
        return False
    behind = _beginning(plan.raw_from)
    await connection.execute(_REMEMBER, {"day": plan.raw_from})
    # Those of now: a roller may have given a month of the plan its partition meanwhile.
    for name in await _partitions_before(connection, plan.raw_from):
        await connection.execute(text(f"ALTER TABLE llm_calls DETACH PARTITION {name}"))
        await connection.execute(text(f"DROP TABLE {name}"))
    await connection.execute(_FORGET_OTHER, {"behind": behind})
    await connection.execute(text(f"ALTER TABLE llm_calls_other DROP CONSTRAINT IF EXISTS {KEPT_CONSTRAINT}"))
    await connection.execute(
        text(
            f"ALTER TABLE llm_calls_other ADD CONSTRAINT {KEPT_CONSTRAINT} "
            f"CHECK (\"timestamp\" >= timestamptz '{plan.raw_from} 00:00:00+00')"
        )
    )
    if (await connection.execute(_LEFT, {"behind": behind})).scalar_one():
        raise UserError(
            "There are LLM calls of these months in partitions that are not ours. Nothing was dropped.",
            "Detach those partitions yourself, or name them as ours are: llm_calls_202611.",
        )
    await connection.commit()
    return True


def _months_before(first: date, months: int) -> date:
    number = first.year * 12 + first.month - 1 - months
    return date(number // 12, number % 12 + 1, 1) if number >= 12 else date.min


def _month_of(partition: str) -> date:
    named = _PARTITION.fullmatch(partition)
    try:
        return date(int(named[1]), int(named[2]), 1) if named else date.max
    except ValueError:
        return date.max


def _beginning(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
