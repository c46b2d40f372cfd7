"""Writes rows of one table: one statement per batch, each row once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.database_errors import is_databases_fault, is_rows_fault, summary
from domain.errors import SinkUnavailableError
from domain.ports import BatchOutcome

R = TypeVar("R")

TEXTS = "text[]"
"""The kind of a column that holds several texts; its values are given as JSON, as arrays of arrays do not unnest."""


@dataclass(frozen=True, slots=True)
class Rows(Generic[R]):
    """How rows of one kind are written.

    Attributes:
        table: the table.
        columns: its columns and their kinds, as PostgreSQL names them.
        key: the column by which a row is stored once.
        indexed: whether one index of the whole table holds it to that; a partitioned table has one for each partition.
        copied: whether a batch is tried by COPY first, which is half as much work. Where a row is there already all of
            it fails, and the statement for repeats does it then.
        values: of one row, in the order of the columns.
        what: what the rows are, in words: "LLM calls".
        refusals: by a constraint's name, why a row that it refuses is: a sentence. Of others the row's values are said
            to be no good.
    """

    table: str
    columns: Mapping[str, str]
    key: str
    values: Callable[[R], tuple[Any, ...]]
    what: str
    indexed: bool = True
    copied: bool = False
    refusals: Mapping[str, str] = field(default_factory=dict)
    insert: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "insert", _statement(self))


def _statement(rows: Rows[Any]) -> str:
    table, columns, key = rows.table, rows.columns, rows.key
    target = f" ({key})" if rows.indexed else ""
    names = ", ".join(f'"{name}"' for name in columns)
    taken = ", ".join(_taken(name, kind) for name, kind in columns.items())
    kinds = ("text" if kind == TEXTS else kind for kind in columns.values())
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(kinds, start=1))
    # In the order of the key, so that two writers of the same rows wait for each other and never in a circle;
    # of two with one id in a batch the first counts, as it does between batches.
    return (
        f"INSERT INTO {table} ({names}) SELECT {taken} "  # noqa: S608 - the names are ours, the values parameters
        f"FROM unnest({arrays}) WITH ORDINALITY AS given({names}, position) "
        f"ORDER BY {key}, position ON CONFLICT{target} DO NOTHING"
    )


def _taken(name: str, kind: str) -> str:
    return f'ARRAY(SELECT jsonb_array_elements_text("{name}"::jsonb))' if kind == TEXTS else f'"{name}"'


class PostgresRowSink(Generic[R]):
    """Fulfils `domain.ports.RowSink` on one table."""

    def __init__(self, engine: AsyncEngine, rows: Rows[R]) -> None:
        self._engine = engine
        self._rows = rows
        self._copied = rows.copied
        self._repeats = not rows.copied

    async def write(self, batch: Sequence[R]) -> BatchOutcome:
        """Store the rows that are not there yet; one that the table refuses never holds up the others.

        Raises:
            SinkUnavailableError: the database cannot take rows now; part of the batch may be stored.
        """
        if not batch:
            return BatchOutcome(0)
        try:
            async with self._engine.connect() as connection:
                driver = (await connection.get_raw_connection()).driver_connection
                try:
                    return await self._store(driver, batch)
                except BaseException:
                    await connection.invalidate()  # SQLAlchemy did not see in what state the driver is now
                    raise
        except Exception as error:
            if is_databases_fault(error):
                what = self._rows.what
                raise SinkUnavailableError(f"The database cannot take {what} now ({summary(error)}).") from error
            raise

    async def _store(self, driver: Any, batch: Sequence[R]) -> BatchOutcome:
        """Copy, as long as all is new; insert while there are repeats, which come in streams, or rows to be refused."""
        if not self._repeats:
            try:
                if await _copied(driver, self._rows, batch):
                    return BatchOutcome(len(batch))
            except asyncpg.FeatureNotSupportedError:
                self._copied = False  # who is held to row-level security may not copy
        outcome = await _insert(driver, self._rows, batch)
        self._repeats = not self._copied or outcome.inserted < len(batch)
        return outcome


async def _copied(driver: Any, rows: Rows[R], batch: Sequence[R]) -> bool:
    """Whether all of a batch went in by COPY; if not, nothing did. In the order of the key, as `_statement` does it."""
    place = list(rows.columns).index(rows.key)
    records = sorted(map(rows.values, batch), key=lambda values: values[place])
    try:
        await driver.copy_records_to_table(rows.table, records=records, columns=list(rows.columns))
    except Exception as error:
        if not is_rows_fault(error):
            raise
        return False
    return True


async def _insert(driver: Any, rows: Rows[R], batch: Sequence[R]) -> BatchOutcome:
    """Insert all; where a row is refused, halve until it stands alone. Each half is its own transaction."""
    inserted = 0
    refused: dict[int, str | None] = {}
    waiting = [(0, len(batch))]
    while waiting:
        start, stop = waiting.pop()
        try:
            status = await _inserted(driver, rows, batch[start:stop])
        except Exception as error:
            if not is_rows_fault(error):
                raise
            if stop - start == 1:
                refused[start] = rows.refusals.get(getattr(error, "constraint_name", None) or "")
            else:
                middle = (start + stop) // 2
                waiting += [(middle, stop), (start, middle)]
        else:
            inserted += int(status.rpartition(" ")[2])
    return BatchOutcome(inserted, tuple(refused), {place: why for place, why in refused.items() if why is not None})


async def _inserted(driver: Any, rows: Rows[R], batch: Sequence[R]) -> str:
    """Insert a batch wholly or not at all; what PostgreSQL says of it: "INSERT 0 5"."""
    values = list(zip(*map(rows.values, batch), strict=True))
    try:
        status: str = await driver.execute(rows.insert, *values)
    except asyncpg.CheckViolationError as error:
        if error.constraint_name:
            raise
        # No constraint of a table, but a partition's bounds: the one that the rows belonged in was made while we waited
        # for the default one. Whoever asks again finds it.
        status = await driver.execute(rows.insert, *values)
    return status
