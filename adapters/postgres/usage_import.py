"""Adopts the rows of an older table: each is stored once, read back, and held against what was to be stored."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres import known_calls, older_table
from adapters.postgres.llm_calls import REFUSALS
from adapters.postgres.older_table import OlderTable, connected
from adapters.postgres.row_sink import PostgresRowSink, Rows
from adapters.postgres.usage.months import is_busy, make_month
from domain.errors import UsageUnavailableError
from domain.usage.adopting import Adopted, NotAdoptableError, Sums, adopt, sums_of

BATCH_ROWS = 2_500
DROPPED = "of a month whose LLM calls were dropped (feedback retention)"
CHANGED = "imported before with another {}: what was stored then stays"
NOT_HELD = "the database refuses one of its values"
NO_ID = "id is null"
_FIRST_MONTH = date(2000, 1, 1)
_TRIES, _PAUSE_SECONDS = 20, 0.5
"""For a month's partition, beside whoever uses the table."""

_COLUMNS = {
    "call_id": "uuid",
    "tenant_id": "text",
    "operation": "text",
    "invocation_id": "uuid",
    "invocation_started_at": "timestamptz",
    "timestamp": "timestamptz",
    "call_duration_ms": "float8",
    "provider": "text",
    "request_model": "text",
    "model": "text",
    "input_tokens": "int8",
    "output_tokens": "int8",
    "cost_usd": "numeric",
    "cost_source": "text",
    "status": "text",
    "error_class": "text",
    "attempt": "int4",
    "created_at": "timestamptz",
}
_TOLD = {"invocation_id": "call_id", "invocation_started_at": "timestamp"}
"""A call of the older service is an invocation of its own."""
_AS_TOLD = attrgetter(*(_TOLD.get(name, name) for name in _COLUMNS if name not in ("attempt", "created_at")))


def _values(row: Adopted) -> tuple[Any, ...]:
    return (*_AS_TOLD(row), 1, row.created_at)


_ROWS: Rows[Adopted] = Rows(
    "llm_calls", _COLUMNS, "call_id", _values, "LLM calls", indexed=False, copied=True, refusals=REFUSALS
)
_COMPARED = ("tenant_id", "operation", "timestamp", "status", "input_tokens", "output_tokens", "cost_usd")
# What was priced anew since it was imported is held against what it cost before.
_READ_BACK = text("""
    SELECT call_id, tenant_id, operation, "timestamp", status, input_tokens, output_tokens,
           CASE WHEN repriced_at IS NULL THEN cost_usd ELSE recorded_cost_usd END AS cost_usd
    FROM llm_calls WHERE call_id = ANY(CAST(:ids AS uuid[])) AND "timestamp" >= :first AND "timestamp" <= :last
""")


@dataclass(frozen=True, slots=True)
class _Taken:
    """A row that can be stored: its id, what is stored, and its own figures."""

    row_id: str
    call: Adopted
    told: Sums


@dataclass(slots=True)
class ImportTally:
    """What became of the rows so far.

    Attributes:
        source: of all rows that were read.
        refused: of those that cannot be stored.
        disbelieved: rows whose figures cannot be, and what of them was left out; the rows themselves are stored.
        rounding: what the costs that were stored grew by, to have twelve places.
        target: of all rows that are in `llm_calls` now, as they were read back.
        stored, already_there: how many of those are new, and how many were there before.
        changed: how many were refused as their ids are there with other figures.
        reasons: how many were refused, by reason.
    """

    source: Sums = field(default_factory=Sums)
    refused: Sums = field(default_factory=Sums)
    disbelieved: Sums = field(default_factory=Sums)
    rounding: Sums = field(default_factory=Sums)
    target: Sums = field(default_factory=Sums)
    stored: int = 0
    already_there: int = 0
    changed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def expected(self) -> Sums:
        """What the target must be."""
        left = self.source.minus(self.refused).minus(self.disbelieved)
        return left.plus(Sums(self.disbelieved.rows)).plus(self.rounding)

    @property
    def of_another_table(self) -> bool:
        """Whether the rows under these ids look like another table's: more of them differ than agree."""
        return self.changed > self.already_there

    @property
    def adds_up(self) -> bool:
        """Whether each row is accounted for, and all sums are equal."""
        return self.expected == self.target and self.stored + self.already_there == self.target.rows


class UsageImport:
    """Adopts one table.

    Args:
        source: connections to the older table.
        target: connections to ours.
        table: the older table.
        source_name: what its rows' calls have their ids by.
        refuse: told of each row that cannot be stored: its id, and why.
        dry_run: whether nothing is written.
    """

    def __init__(
        self,
        source: AsyncEngine,
        target: AsyncEngine,
        table: OlderTable,
        source_name: str,
        refuse: Callable[[str | None, str], None],
        *,
        dry_run: bool = False,
    ) -> None:
        self._source, self._target, self._table, self._name = source, target, table, source_name
        self._told, self._dry_run = refuse, dry_run
        self._sink: PostgresRowSink[Adopted] = PostgresRowSink(target, _ROWS)
        self._seen_new = False
        self.tally = ImportTally()

    async def run(self, batch_rows: int = BATCH_ROWS) -> AsyncIterator[int]:
        """Adopt all rows; tells after each batch how many were read. What was done is done when it is broken off.

        Raises:
            SinkUnavailableError, UsageUnavailableError: one of the databases cannot do it now; run it again.
            UserError: its calls are there under other ids.
        """
        async with connected(self._target) as connection:
            kept = (await connection.execute(text("SELECT raw_from FROM usage_retention"))).scalar_one_or_none()
        if not self._dry_run:
            await self._make_months(kept)
        for _ in range(self._table.without_id):
            self._refuse(None, NO_ID, Sums(1))
            self.tally.source = self.tally.source.plus(Sums(1))
        async for rows in older_table.batches(self._source, self._table, batch_rows):
            await self._adopt(rows, kept)
            yield self.tally.source.rows

    async def _make_months(self, kept: date | None) -> None:
        today = datetime.now(UTC).date()
        for month in self._table.months:
            if max(_FIRST_MONTH, kept or date.min) <= month <= today:
                await self._make_month(month)

    async def _make_month(self, month: date) -> None:
        """Where the table is in use all the time, a roller does it later: its rows are stored with those of others."""
        for _ in range(_TRIES):
            try:
                async with connected(self._target) as connection:
                    await make_month(connection, month)
                    await connection.commit()
            except UsageUnavailableError as error:
                if not is_busy(error):
                    raise
            else:
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _adopt(self, rows: Sequence[dict[str, Any]], kept: date | None) -> None:
        taken: list[_Taken] = []
        for row in rows:
            told = sums_of(row)
            self.tally.source = self.tally.source.plus(told)
            try:
                call = _kept(adopt(row, self._name), kept)
            except NotAdoptableError as error:
                self._refuse(row["id"], str(error), told)
            else:
                taken.append(_Taken(row["id"], call, told))
        if left := await self._not_moved(taken):
            await self._store(left)

    async def _not_moved(self, taken: Sequence[_Taken]) -> Sequence[_Taken]:
        """Without what is there under another moment: stored once more, it would count twice."""
        calls = [one.call for one in taken]
        async with connected(self._target) as connection:
            known = await known_calls.moments_of(connection, calls)
            if calls and not known and not self._seen_new:
                await known_calls.check_they_are_new(connection, calls, self._table.name)
        self._seen_new = self._seen_new or bool(calls)
        left = []
        for one in taken:
            if known.get(one.call.call_id, set()) <= {one.call.timestamp}:
                left.append(one)
            else:
                self._refuse_changed(one, ["timestamp"])
        return left

    async def _store(self, taken: Sequence[_Taken]) -> None:
        """Store what is not there, and count what is there then: by its own figures, as they are in the table."""
        tally, inserted, refused = self.tally, 0, dict[int, str]()
        if not self._dry_run:
            outcome = await self._sink.write([one.call for one in taken])
            inserted = outcome.inserted
            refused = {place: outcome.reasons.get(place, NOT_HELD) for place in outcome.refused}
        there = await self._read_back([one.call for one in taken])
        in_table = 0
        for place, one in enumerate(taken):
            row = there.get(one.call.call_id)
            if place in refused:
                self._refuse(one.row_id, refused[place], one.told)
                continue
            if row is not None and (other := [name for name in _COMPARED if row[name] != getattr(one.call, name)]):
                self._refuse_changed(one, other)
                continue
            if one.call.disbelieved:
                kept = Sums(0, Decimal(0), one.call.input_tokens or 0, one.call.output_tokens or 0)
                tally.disbelieved = tally.disbelieved.plus(one.told).minus(kept)
            tally.rounding = tally.rounding.plus(Sums(0, one.call.rounding))
            if row is not None:
                in_table += 1
                tally.target = tally.target.plus(sums_of(row))
            elif self._dry_run:
                inserted += 1
                tally.target = tally.target.plus(_sums_of_call(one.call))
        tally.stored += inserted
        tally.already_there += in_table - (0 if self._dry_run else inserted)

    async def _read_back(self, calls: Sequence[Adopted]) -> dict[UUID, dict[str, Any]]:
        moments = [call.timestamp for call in calls]
        asked = {"ids": [call.call_id for call in calls], "first": min(moments), "last": max(moments)}
        async with connected(self._target) as connection:
            rows = (await connection.execute(_READ_BACK, asked)).mappings()
            return {row["call_id"]: {str(name): value for name, value in row.items()} for row in rows}

    def _refuse_changed(self, one: _Taken, columns: Sequence[str]) -> None:
        self.tally.changed += 1
        self._refuse(one.row_id, CHANGED.format(", ".join(columns)), one.told)

    def _refuse(self, row_id: str | None, reason: str, told: Sums) -> None:
        self.tally.refused = self.tally.refused.plus(told)
        self.tally.reasons[reason] += 1
        self._told(row_id, reason)


def _kept(call: Adopted, kept: date | None) -> Adopted:
    if kept is not None and call.timestamp.astimezone(UTC).date() < kept:
        raise NotAdoptableError(DROPPED)
    return call


def _sums_of_call(call: Adopted) -> Sums:
    return Sums(1, call.cost_usd or Decimal(0), call.input_tokens or 0, call.output_tokens or 0)
