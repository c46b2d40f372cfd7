"""The table that the older service wrote, read in the order of its ids, each row once."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.database_errors import sqlstate
from adapters.postgres.reading import working
from domain.errors import UsageUnavailableError, UserError
from domain.usage.adopting import COLUMNS
from schemas.base import PLAUSIBLE_YEARS

_NO_RIGHTS = "42501"
_NUMBERS = ("call_duration_ms", "input_tokens", "output_tokens", "cost_usd")
_OF_NUMBERS = frozenset({"smallint", "integer", "bigint", "numeric", "real", "double precision"})
_MOMENTS = ("timestamp", "created_at")
_NAIVE, _AWARE = "timestamp without time zone", "timestamp with time zone"
_REMEDY = "Name a table with the columns " + ", ".join(COLUMNS) + " (docs/usage.md)."

_TABLE = text("""
    SELECT found.oid, nspname || '.' || relname AS name,
           found.oid::regclass::text AS quoted
    FROM (SELECT to_regclass(:name)::oid AS oid) AS found
    JOIN pg_class ON pg_class.oid = found.oid JOIN pg_namespace ON pg_namespace.oid = relnamespace
""")
_COLUMNS = text("""
    SELECT attname, format_type(atttypid, NULL), format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = :oid AND attnum > 0 AND NOT attisdropped
""")
_UNIQUE = text("""
    SELECT EXISTS (
        SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0] AND attname = 'id'
        WHERE indrelid = :oid AND indisunique AND indisvalid AND indpred IS NULL AND indnkeyatts = 1
    )
""")


@dataclass(frozen=True, slots=True)
class OlderTable:
    """What is read.

    Attributes:
        name: schema and table; its rows' calls have their ids by it.
        naive: its columns of moments without a time zone, which are taken to be of UTC.
        selected, source: SQL: the columns, and the table.
        kind: the type of its ids, with its length: `character` alone is one character.
        months: the months of UTC that it has rows of.
        rows, without_id: how many rows it has, and how many of them have no id.
    """

    name: str
    naive: tuple[str, ...]
    selected: str
    source: str
    kind: str
    months: Sequence[date]
    rows: int
    without_id: int


async def look_at(engine: AsyncEngine, name: str) -> OlderTable:
    """See that a table is one that the older service wrote.

    Raises:
        UserError: there is no such table, or it is another one, or its ids do not tell its rows apart.
        UsageUnavailableError: the database cannot answer now.
    """
    async with connected(engine) as connection:
        try:
            found = (await connection.execute(_TABLE, {"name": name})).one_or_none()
        except SQLAlchemyError as error:
            if sqlstate(error) not in ("42601", "42602", "22023", "0A000"):
                raise
            found = None  # that is no name of a table
        if found is None:
            raise UserError(f"There is no table {name!r} in that database.", "Check its spelling; say schema.table.")
        quoted = found.quoted.replace(":", r"\:")  # what follows a colon would be a parameter
        columns = (await connection.execute(_COLUMNS, {"oid": found.oid})).all()
        kinds = {row[0]: row[1] for row in columns}
        _check_columns(found.name, kinds)
        naive = tuple(column for column in _MOMENTS if kinds[column] == _NAIVE)
        moment = _moment("timestamp", kinds["timestamp"])
        if not (await connection.execute(_UNIQUE, {"oid": found.oid})).scalar_one():
            await _check_ids(connection, found.name, quoted)
        counted = f'SELECT count(*), count(*) - count("id") FROM {quoted}'  # noqa: S608 - quoted by the server
        rows, without_id = (await connection.execute(text(counted))).one()
        first_day = f"date_trunc('month', {moment} AT TIME ZONE 'UTC')::date"
        months = f"SELECT DISTINCT {first_day} FROM {quoted} WHERE {moment} IS NOT NULL ORDER BY 1"  # noqa: S608 - see above
        return OlderTable(
            name=found.name,
            naive=naive,
            selected=", ".join(_selected(column, kinds[column]) for column in COLUMNS),
            source=quoted,
            kind=next(row[2] for row in columns if row[0] == "id"),
            months=(await connection.execute(text(months))).scalars().all(),
            rows=rows,
            without_id=without_id,
        )


async def batches(engine: AsyncEngine, table: OlderTable, most: int) -> AsyncIterator[Sequence[dict[str, Any]]]:
    """Its rows with ids, by their ids, in batches; those that are written meanwhile behind them, too.

    Raises:
        UserError: its ids have no order.
        UsageUnavailableError: the database cannot answer now.
    """
    # By the ids themselves, not by the texts that they are selected as.
    first = f'SELECT {table.selected} FROM {table.source} AS older WHERE older."id" IS NOT NULL '  # noqa: S608
    further = first.replace('older."id" IS NOT NULL', f'older."id" > CAST(CAST(:after AS text) AS {table.kind})')
    first, further = (f'{query} ORDER BY older."id" LIMIT :most' for query in (first, further))
    after: str | None = None
    while True:
        async with connected(engine) as connection:
            asked = {"most": most} | ({} if after is None else {"after": after})
            found = (await connection.execute(text(first if after is None else further), asked)).mappings()
            rows = [{str(name): value for name, value in row.items()} for row in found]
        if not rows:
            return
        if rows[-1]["id"] == after:
            raise UserError(
                f"The rows of {table.name} cannot be read in the order of their ids ({table.kind}).",
                "Import a view of it whose id is a text, a number or a uuid.",
            )
        yield rows
        after = rows[-1]["id"]


async def count(engine: AsyncEngine, table: OlderTable) -> int:
    """How many rows it has now."""
    counted = text(f"SELECT count(*) FROM {table.source}")  # noqa: S608 - quoted by the server
    async with connected(engine) as connection:
        found: int = (await connection.execute(counted)).scalar_one()
    return found


def _check_columns(name: str, kinds: dict[str, str]) -> None:
    if "call_id" in kinds:
        raise UserError(f"The table {name} has calls of this release already.", _REMEDY)
    missing = [column for column in COLUMNS if column not in kinds]
    if missing:
        raise UserError(f"The table {name} has no column {', '.join(missing)}.", _REMEDY)
    for columns, allowed in ((_NUMBERS, _OF_NUMBERS), (_MOMENTS, {_NAIVE, _AWARE})):
        for column in columns:
            if kinds[column] not in allowed:
                raise UserError(
                    f"The column {column} of {name} is of the type {kinds[column]}.",
                    f"Give it one of {', '.join(sorted(allowed))}, or import a view of the table that does.",
                )


async def _check_ids(connection: AsyncConnection, name: str, quoted: str) -> None:
    twice = f'SELECT "id"::text FROM {quoted} WHERE "id" IS NOT NULL GROUP BY "id" HAVING count(*) > 1 LIMIT 3'  # noqa: S608
    found = (await connection.execute(text(twice))).scalars().all()
    if found:
        raise UserError(
            f"Several rows of {name} have the same id ({', '.join(found)}): they cannot be told apart.",
            "Give each row an id of its own, in the table or in a view of it.",
        )


def _moment(column: str, kind: str) -> str:
    """A moment that can be stored, else null."""
    value = f"\"{column}\" AT TIME ZONE 'UTC'" if kind == _NAIVE else f'"{column}"'
    first, behind = PLAUSIBLE_YEARS[0], PLAUSIBLE_YEARS[-1] + 1
    within = f"isfinite({value}) AND {value} >= '{first}-01-01 00:00Z' AND {value} < '{behind}-01-01 00:00Z'"
    return f"(CASE WHEN {within} THEN {value} END)"


def _selected(column: str, kind: str) -> str:
    if column in _MOMENTS:
        return f'{_moment(column, kind)} AS "{column}"'
    if column in _NUMBERS:
        # By its text, which has all digits that tell a float from its neighbours, and no more.
        return f'CAST(CAST("{column}" AS text) AS numeric) AS "{column}"'
    return f'CAST("{column}" AS text) AS "{column}"'


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection without a limit on time.

    Raises:
        UserError: the user has not the rights.
        UsageUnavailableError: the database did not answer, or failed.
    """
    try:
        async with working(engine) as connection:
            yield connection
    except UsageUnavailableError as error:
        if sqlstate(error) == _NO_RIGHTS:
            raise UserError(
                "This database user may not read the older table, or not write ours.",
                "docs/security.md has the rights that `feedback import-usage` needs.",
            ) from None  # its text holds the statement
        raise
