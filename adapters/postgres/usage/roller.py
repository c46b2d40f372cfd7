"""Keeps the rollups: counts the marked days of tenants anew from raw rows, and weeks and months from those days.

The order of the steps is what makes it safe beside writers. First the marks are locked, but for those that a writer
relies on, which stay. Then, in a later statement and so in a later snapshot, the rows are counted: all rows of the
writers that made these marks, or used them again, are in it. Whoever writes from then on finds the marks locked and
makes new ones, which stay. A reader sees all of it at once, or nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import RowMapping, TextClause, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.database_errors import is_databases_fault, summary
from adapters.postgres.tables import metadata
from adapters.postgres.usage.columns import COUNTED, DIMENSION_NAMES, MEASURES, TOTAL_NAMES
from adapters.postgres.usage.items import UNPRICED_MODEL, VIEWS, added_up, grouped, items
from adapters.postgres.usage.months import Months
from adapters.postgres.usage.sketches import pack
from domain.errors import SinkUnavailableError
from domain.usage.rolling import Marked, Rolled

DAYS_AT_ONCE = 100
LONGER_AT_ONCE = 100
LOCK = 0x726F_6C6C_7570
"""The advisory lock of whoever rolls: the word "rollup"."""

# A roller whose machine is gone without a word does not lead for hours.
_LEAD = text(
    "SELECT pg_try_advisory_xact_lock(:lock) "
    "FROM set_config('idle_in_transaction_session_timeout', '60s', true) AS bounded"
)

# The oldest marks that no writer holds: days that are written to all the time keep no others waiting. Where a day has
# several, those that are not among them count it once more.
_TAKE_DAYS = text("""
    SELECT id, tenant_id, first_day FROM usage_marks
    WHERE unit = 'day'
    ORDER BY id LIMIT :most
    FOR UPDATE SKIP LOCKED
""")
# A month, or a week, that is not over changes with every day: it is read by its days.
_TAKE_LONGER = """
    SELECT id, tenant_id, first_day FROM usage_marks AS longer
    WHERE unit = '{unit}' AND first_day + interval '1 {unit}' <= now() AT TIME ZONE 'UTC'
      AND NOT EXISTS (
        SELECT FROM usage_marks AS day WHERE day.unit = 'day' AND day.tenant_id = longer.tenant_id
           AND day.first_day >= longer.first_day AND day.first_day < longer.first_day + interval '1 {unit}'
      )
    ORDER BY first_day, tenant_id LIMIT :most
    FOR UPDATE SKIP LOCKED
"""
_TAKE_WEEKS, _TAKE_MONTHS = (text(_TAKE_LONGER.format(unit=unit)) for unit in ("week", "month"))
# Of an earlier day the rows were dropped: its rollup stays as it is, and its marks are only forgotten.
_KEPT = text("SELECT raw_from FROM usage_retention")
_FORGET = text("DELETE FROM usage_marks WHERE id = ANY(:ids)")
_MARK_LONGER = text("""
    INSERT INTO usage_marks (tenant_id, unit, first_day)
    SELECT DISTINCT tenant_id, unit, date_trunc(unit, first_day)::date
    FROM unnest(CAST(:tenants AS text[]), CAST(:days AS date[])) AS rolled(tenant_id, first_day)
    CROSS JOIN (VALUES ('week'), ('month')) AS longer(unit)
    WHERE NOT EXISTS (
        SELECT FROM usage_marks AS mark WHERE mark.unit = longer.unit AND mark.tenant_id = rolled.tenant_id
           AND mark.first_day = date_trunc(longer.unit, rolled.first_day)::date
    )
""")

_MARKED = text("""
    SELECT count(DISTINCT (tenant_id, first_day)) AS days,
           coalesce(extract(epoch FROM clock_timestamp() - min(marked_at)), 0)::float8 AS oldest_seconds
    FROM usage_marks WHERE unit = 'day'
""")

_HELD_TO_POLICIES = text("SELECT row_security_active(CAST(:table AS text))")

_KEYS = "unnest(CAST(:tenants AS text[]), CAST(:days AS date[])) AS key(tenant, first)"
_OF_DAY = (
    "tenant_id = key.tenant AND {time} >= key.first::timestamp AT TIME ZONE 'UTC'"
    " AND {time} < (key.first + 1)::timestamp AT TIME ZONE 'UTC'"
)


def _count_days(view: str) -> str:
    source = f"SELECT key.first, item.* FROM {_KEYS} CROSS JOIN LATERAL ({items(view, _OF_DAY)} OFFSET 0) AS item"
    keys = ["first", f"'{view}' AS view", *DIMENSION_NAMES]
    return grouped(source, keys, also=("max(created_at) AS last_stored",))


def _add_up(table: str, behind: str, dimensions: Sequence[str]) -> TextClause:
    source = f"SELECT key.first, day.* FROM {_KEYS} JOIN {table} AS day ON day.tenant_id = key.tenant"
    source += f" AND day.day >= key.first AND day.day < {behind}"
    return text(added_up(source, ["first", "view", *dimensions], also=("max(last_stored) AS last_stored",)))


_NEXT_DAY, _NEXT_WEEK, _NEXT_MONTH = "key.first + 1", "key.first + 7", "(key.first + interval '1 month')::date"
_TOTALS = ("tenant_id", f"{UNPRICED_MODEL} AS model", "status")


@dataclass(frozen=True, slots=True)
class _Rollup:
    """A table, what it is counted by, and how."""

    table: str
    dimensions: Sequence[str]
    count: TextClause


# In this order: a table is counted from those above.
_ROLLUPS = {
    "day": (
        _Rollup("usage_daily", DIMENSION_NAMES, text(" UNION ALL ".join(_count_days(view) for view in VIEWS))),
        _Rollup("usage_daily_totals", TOTAL_NAMES, _add_up("usage_daily", _NEXT_DAY, _TOTALS)),
    ),
    "week": (
        _Rollup("usage_weekly", DIMENSION_NAMES, _add_up("usage_daily", _NEXT_WEEK, DIMENSION_NAMES)),
        _Rollup("usage_weekly_totals", TOTAL_NAMES, _add_up("usage_daily_totals", _NEXT_WEEK, TOTAL_NAMES)),
    ),
    "month": (
        _Rollup("usage_monthly", DIMENSION_NAMES, _add_up("usage_daily", _NEXT_MONTH, DIMENSION_NAMES)),
        _Rollup("usage_monthly_totals", TOTAL_NAMES, _add_up("usage_daily_totals", _NEXT_MONTH, TOTAL_NAMES)),
    ),
}


class PostgresUsageRoller:
    """Fulfils `domain.usage.rolling.UsageRoller`."""

    def __init__(self, engine: AsyncEngine, days_at_once: int = DAYS_AT_ONCE) -> None:
        self._engine = engine
        self._most = self._days_at_once = days_at_once
        self._partitions = Months(engine)

    async def roll(self) -> Rolled | None:
        """Count some of what changed anew, what changed first before the rest; None where another roller is at it.

        What the database does not manage, in time say, is tried with fewer days. The partitions of months come last,
        and hold up nothing.

        Raises:
            SinkUnavailableError: the database cannot do it now; what was begun did not happen.
        """
        at_once = self._days_at_once
        try:
            with _telling():
                rolled = await self._rounds(at_once)
        except SinkUnavailableError:
            self._days_at_once = max(1, at_once // 2)
            raise
        self._days_at_once = min(self._most, 2 * at_once)
        if rolled is None or await self._partitions.make():
            return rolled
        return replace(rolled, partition_failures=1)

    async def _rounds(self, at_once: int) -> Rolled | None:
        days = await self._round(_TAKE_DAYS, at_once, "day")
        weeks = await self._round(_TAKE_WEEKS, LONGER_AT_ONCE, "week") if days else None
        months = await self._round(_TAKE_MONTHS, LONGER_AT_ONCE, "month") if weeks else None
        if days is None or weeks is None or months is None:
            return None
        more = days.full or weeks.full or months.full
        return Rolled(len(days.keys), len(weeks.keys), len(months.keys), more=more)

    async def marked(self) -> Marked:
        """What there is to do now, whoever does it.

        Raises:
            SinkUnavailableError: the database cannot tell.
        """
        with _telling():
            async with self._engine.connect() as connection:
                return Marked(*(await connection.execute(_MARKED)).one())

    async def _round(self, take: TextClause, most: int, unit: str) -> "_Round | None":
        """Some marks of one kind, in one transaction; None: another is at it."""
        async with self._engine.begin() as connection:
            if not (await connection.execute(_LEAD, {"lock": LOCK})).scalar_one():
                return None
            marks = (await connection.execute(take, {"most": most})).all()
            if not marks:
                return _Round((), full=False)
            # What is longer is counted from its days, which are kept. Behind the statement with the marks: see
            # `retention`.
            kept = (await connection.execute(_KEPT)).scalar_one_or_none() if unit == "day" else None
            keys = sorted({(tenant, first) for _, tenant, first in marks if kept is None or first >= kept})
            if keys:
                named = {"tenants": [tenant for tenant, _ in keys], "days": [first for _, first in keys]}
                for rollup in _ROLLUPS[unit]:
                    await _replace(connection, rollup, unit, named)
                if unit == "day":
                    await connection.execute(_MARK_LONGER, named)
            await connection.execute(_FORGET, {"ids": [mark for mark, _, _ in marks]})
            return _Round(keys, full=len(marks) == most)


@dataclass(frozen=True, slots=True)
class _Round:
    """Tenants' days, weeks or months that were counted anew, and whether as many marks were taken as may be."""

    keys: Sequence[tuple[str, date]]
    full: bool


@contextmanager
def _telling() -> Iterator[None]:
    """Whatever the database does wrong becomes one error."""
    try:
        yield
    except Exception as error:
        if is_databases_fault(error):
            raise SinkUnavailableError(f"The database cannot make rollups now ({summary(error)}).") from error
        raise


async def _replace(connection: AsyncConnection, rollup: _Rollup, unit: str, keys: dict[str, Any]) -> None:
    """Count these days, weeks or months, and put what was counted in the place of what was there."""
    rows = (await connection.execute(rollup.count, keys)).mappings().all()
    table = rollup.table
    await connection.execute(
        text(f"DELETE FROM {table} AS old USING {_KEYS} WHERE old.tenant_id = key.tenant AND old.{unit} = key.first"),
        keys,
    )
    columns = [unit, "view", *rollup.dimensions, *COUNTED, "last_stored"]
    if not rows:
        return
    if (await connection.execute(_HELD_TO_POLICIES, {"table": table})).scalar_one():
        # Who is held to row-level security may not copy.
        records = [dict(zip(columns, record, strict=True)) for record in _records(rows, rollup)]
        await connection.execute(insert(metadata.tables[table]), records)
        return
    driver: Any = (await connection.get_raw_connection()).driver_connection
    await driver.copy_records_to_table(table, records=list(_records(rows, rollup)), columns=columns)


def _records(rows: Sequence[RowMapping], rollup: _Rollup) -> Iterable[tuple[Any, ...]]:
    """The rows as the tables have them: with sketches in their shortest form, and the latest moment of each day."""
    packed = {name: pack([row[name] for row in rows]) for name in (f"{measure}_sketch" for measure in MEASURES)}
    latest: dict[tuple[str, date], datetime] = {}
    for row in rows:
        key = row["tenant_id"], row["first"]
        latest[key] = max(latest.get(key, row["last_stored"]), row["last_stored"])
    for number, row in enumerate(rows):
        counted = (packed[name][number] if name in packed else row[name] for name in COUNTED)
        dimensions = (row[name] for name in rollup.dimensions)
        yield row["first"], row["view"], *dimensions, *counted, latest[row["tenant_id"], row["first"]]
