"""Answers questions about usage: asks the one statement, and puts its rows together."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import product
from typing import Any

from sqlalchemy import Row, RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.on_behalf import STATEMENT_SECONDS, begin_snapshot_for
from adapters.postgres.reading import answering
from adapters.postgres.usage.columns import DIMENSION_COLUMNS, MEASURES, SUMS
from adapters.postgres.usage.freshness import beginning
from adapters.postgres.usage.items import VIEWS
from adapters.postgres.usage.kept import check_kept
from adapters.postgres.usage.sketches import spreads
from adapters.postgres.usage.statement import MAX_ROWS, parameters, statement
from domain.errors import TooManyGroupsError
from domain.keys import NOBODY, Asker
from domain.usage.answers import MAX_UNPRICED_MODELS, Group, Measures, Spread, UnpricedModel, UsageAnswer
from domain.usage.calendar import by_clock, stretches
from domain.usage.freshness import Told, freshness
from domain.usage.questions import MAX_GROUPS, MAX_STRETCHES, UsageQuestion
from domain.usage.report import Window

FEW_ROWS = 250
"""Put together at once, in some 15 ms. More, there may be MAX_ROWS, in a thread, so that others are answered meanwhile;
for few this would take longer, as a thread has to wait for its turn at the interpreter."""

Keys = tuple[str | None, ...]


class PostgresUsageAnswers:
    """Fulfils `domain.usage.answers.UsageAnswers` on rollups and raw rows."""

    def __init__(self, engine: AsyncEngine, statement_seconds: float = STATEMENT_SECONDS) -> None:
        self._engine = engine
        self._statement_seconds = statement_seconds

    async def answer(self, question: UsageQuestion, asker: Asker = NOBODY) -> UsageAnswer:
        """As `answers`, of one question."""
        [answer] = await self.answers([question], asker)
        return answer

    async def answers(self, questions: Sequence[UsageQuestion], asker: Asker = NOBODY) -> list[UsageAnswer]:
        """The answers, all from one snapshot; of what the asker may see, whatever is asked.

        Raises:
            DroppedCallsError: one takes single LLM calls of months that were dropped.
            TooManyGroupsError: an answer has more than MAX_GROUPS groups or MAX_STRETCHES stretches, or is made of
                more than MAX_ROWS rows.
            UsageUnavailableError: the database cannot answer now, or not in time.
        """
        all_times = [_times(question) for question in questions]
        async with answering(self._engine) as connection:
            await begin_snapshot_for(connection, asker, self._statement_seconds)
            found = [
                await _rows(connection, question, times) for question, times in zip(questions, all_times, strict=True)
            ]
        return [
            await _put_together(_Answering(question, times), *told)
            for question, times, told in zip(questions, all_times, found, strict=True)
        ]


async def _rows(
    connection: AsyncConnection, question: UsageQuestion, times: list[Window]
) -> tuple[Sequence[RowMapping], Row[Any]]:
    """What the two statements find."""
    asked = parameters(question, times)
    begun = (await connection.execute(*beginning(asked))).one()
    check_kept(question, begun)
    sql = statement(question, asked, marked=begun.marked_days > 0)
    rows = (await connection.execute(sql, asked)).mappings().all()
    if len(rows) > MAX_ROWS:
        raise TooManyGroupsError(
            f"The answer is made of more than {MAX_ROWS:,} rows; ask for a shorter window, a longer unit, or less."
        )
    return rows, begun


async def _put_together(answering: "_Answering", rows: Sequence[RowMapping], begun: Row[Any]) -> UsageAnswer:
    if len(rows) <= FEW_ROWS:
        return answering.answer(rows, begun)
    return await asyncio.to_thread(answering.answer, rows, begun)


def _times(question: UsageQuestion) -> list[Window]:
    if question.unit is None:
        return [question.window]
    found = stretches(question.window, question.unit, question.zone, MAX_STRETCHES)
    if found is None:
        raise TooManyGroupsError(
            f"The window has more than {MAX_STRETCHES:,} {question.unit}s; ask for a shorter one, or for a longer unit."
        )
    return found


@dataclass(slots=True)
class _Sum:
    """What some rows of the statement add up to."""

    sums: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(SUMS, 0))
    failed: int = 0
    failed_cost_usd: Decimal = Decimal(0)
    failed_unpriced: int = 0
    items: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MEASURES, 0))
    totals: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(MEASURES, Decimal(0)))
    least: dict[str, Any] = field(default_factory=dict)
    greatest: dict[str, Any] = field(default_factory=dict)
    percentiles: dict[str, Sequence[float]] = field(default_factory=dict)

    def add(self, row: RowMapping) -> None:
        for name in SUMS:
            self.sums[name] += row[name]
        if row["failed"]:
            self.failed += int(row["total"])
            self.failed_cost_usd += row["cost_usd"]
            self.failed_unpriced += int(row["unpriced"])
        for name in MEASURES:
            if not row[f"{name}_items"]:
                continue
            self.items[name] += int(row[f"{name}_items"])
            self.totals[name] += row[f"{name}_sum"]
            least, greatest = row[f"{name}_min"], row[f"{name}_max"]
            self.least[name] = min(self.least.get(name, least), least)
            self.greatest[name] = max(self.greatest.get(name, greatest), greatest)

    def measures(self, percentiles: tuple[float, ...]) -> Measures:
        sums = self.sums
        return Measures(
            **{name: int(sums[name]) for name in SUMS if name != "cost_usd"},
            failed=self.failed,
            cost_usd=Decimal(sums["cost_usd"]),
            failed_cost_usd=self.failed_cost_usd,
            failed_unpriced=self.failed_unpriced,
            duration_ms=self._spread("duration_us", percentiles, 1000),
            input_tokens=self._spread("input_tokens", percentiles),
            output_tokens=self._spread("output_tokens", percentiles),
        )

    def _spread(self, name: str, percentiles: tuple[float, ...], divisor: int = 1) -> Spread:
        items = self.items[name]
        if not items:
            return Spread(percentiles={_named(percentile): None for percentile in percentiles})
        least, greatest, total = self.least[name], self.greatest[name], self.totals[name]
        return Spread(
            avg=float(total / items / divisor),
            min=_number(least, divisor),
            max=_number(greatest, divisor),
            total=_number(total, divisor),
            percentiles={
                _named(percentile): value / divisor
                for percentile, value in zip(percentiles, self.percentiles[name], strict=True)
            },
        )


def _number(value: Decimal, divisor: int) -> int | float:
    return int(value) if divisor == 1 else float(value / divisor)


def _unpriced_models(found: Mapping[str, Counter[bool]]) -> tuple[UnpricedModel, ...]:
    """By model, how many calls without a known cost did not fail (False), and did (True)."""
    models = [UnpricedModel(model=name, calls=count.total(), failed=count[True]) for name, count in found.items()]
    return tuple(sorted(models, key=lambda one: (-one.calls, one.model))[:MAX_UNPRICED_MODELS])


def _named(percentile: float) -> str:
    return f"{percentile:g}"


def _tell_percentiles(
    parts: Mapping[str, Sequence[tuple[_Sum, RowMapping]]], total: Mapping[str, _Sum], percentiles: tuple[float, ...]
) -> None:
    """Tell each sum, and the totals, the percentiles of what was added to them."""
    numbers: dict[tuple[int, str], int] = {}
    kinds: list[tuple[_Sum, str]] = []
    totals: list[tuple[_Sum, str]] = []
    sections, sketches = [], []
    for view, name in product(VIEWS, MEASURES):
        told = [(one, row[f"{name}_sketch"]) for one, row in parts[view] if row[f"{name}_items"]]
        for one, sketch in told:
            if (number := numbers.setdefault((id(one), name), len(kinds))) == len(kinds):
                kinds.append((one, name))
                sections.append(len(totals))
            sketches.append((number, sketch))
        if told:
            totals.append((total[view], name))
    if not sketches:
        return
    reach = [(float(one.least[name]), float(one.greatest[name])) for one, name in kinds]
    found = spreads(sketches, reach, sections, percentiles)
    for (one, name), values in zip([*kinds, *totals], [*found.each, *found.together], strict=True):
        one.percentiles[name] = values


def _too_many_groups() -> TooManyGroupsError:
    return TooManyGroupsError(
        f"The answer has more than {MAX_GROUPS:,} groups; ask for a shorter window, a longer unit, or less."
    )


class _Answering:
    """Puts the rows of one statement together."""

    def __init__(self, question: UsageQuestion, times: list[Window]) -> None:
        self._question = question
        self._times = times
        self._columns = [DIMENSION_COLUMNS[dimension] for dimension in question.group_by]
        self._nothing = _Sum().measures(question.percentiles)

    def answer(self, rows: Sequence[RowMapping], begun: Row[Any]) -> UsageAnswer:
        found: dict[tuple[int, Keys], dict[str, _Sum]] = {}
        total: dict[str, _Sum] = {view: _Sum() for view in VIEWS}
        unpriced: dict[str, Counter[bool]] = {}
        parts: dict[str, list[tuple[_Sum, RowMapping]]] = {view: [] for view in VIEWS}
        for row in rows:
            place = row["number"], tuple(row[column] for column in self._columns)
            mine = found.setdefault(place, {}).setdefault(row["view"], _Sum())
            mine.add(row)
            total[row["view"]].add(row)
            parts[row["view"]].append((mine, row))
            if row["unpriced_model"] is not None:
                unpriced.setdefault(row["unpriced_model"], Counter())[row["failed"]] += int(row["unpriced"])
        _tell_percentiles(parts, total, self._question.percentiles)
        places = self._places({keys for _, keys in found})
        groups = tuple(self._group(number, keys, found.get((number, keys), {})) for number, keys in places)
        fresh = freshness(
            Told(begun.lag, begun.lag_as_of),
            begun.as_of,
            self._question.ingested_before,
            stored_until=max((row["last_stored"] for row in rows), default=None),
            late=int(total["llm_calls"].sums["late"]),
            marked_days=begun.marked_days,
        )
        return UsageAnswer(
            groups=groups,
            total=Group(**self._views(total)),
            unpriced_models=_unpriced_models(unpriced),
            as_of=begun.as_of,
            freshness=fresh,
        )

    def _places(self, found: set[Keys]) -> list[tuple[int, Keys]]:
        """Every group in every stretch: by time, then by the keys' values, those without a value last."""
        every = found or ({()} if not self._columns else set())
        if len(every) * len(self._times) > MAX_GROUPS:
            raise _too_many_groups()
        ordered = sorted(every, key=lambda keys: [(value is None, value or "") for value in keys])
        return [(number, keys) for number in range(len(self._times)) for keys in ordered]

    def _group(self, number: int, keys: Keys, views: Mapping[str, _Sum]) -> Group:
        stretch = self._times[number] if self._question.unit is not None else None
        zone = self._question.zone
        return Group(
            keys=dict(zip(self._question.group_by, keys, strict=True)),
            start=by_clock(stretch.start, zone) if stretch else None,
            end=by_clock(stretch.end, zone) if stretch else None,
            **self._views(views),
        )

    def _views(self, sums: Mapping[str, _Sum]) -> dict[str, Any]:
        percentiles = self._question.percentiles
        return {view: sums[view].measures(percentiles) if view in sums else self._nothing for view in VIEWS}
