"""Calls priced anew from their tokens, by a price list: what that would change, and then the change itself.

What a call used stays as it is told. A call is priced anew where the list has its model at its moment, and its input
and output tokens are known and can be (no more cached than read, no more reasoning than written). What cost nothing, as
no provider was asked (`offline`), costs nothing whatever a list says, also where it was once repriced otherwise.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.reading import working
from domain.usage.prices import PRICE_FILE, PriceList
from schemas.llm_calls import MAX_COST_USD

BATCH_ROWS = 50_000
"""About so many rows are changed in one transaction: a day is divided by hours, and an hour into minutes."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which calls: those that began in [start, end), of one tenant; None: without such a bound."""

    start: datetime | None = None
    end: datetime | None = None
    tenant_id: str | None = None


@dataclass(frozen=True, slots=True)
class ModelCosts:
    """The calls of one model.

    Attributes:
        model: the one that answered or, where none did, the one that was asked for.
        calls: how many there are.
        priced: how many of them the list has a price for.
        changed: how many of those will cost something else than they do now.
        recorded_usd: what all calls cost as recorded.
        counted_usd, repriced_usd: what they count as costing now, and then.
        counted_unpriced, repriced_unpriced: how many have no known cost now, and then.
    """

    model: str
    calls: int
    priced: int
    changed: int
    recorded_usd: Decimal
    counted_usd: Decimal
    repriced_usd: Decimal
    counted_unpriced: int
    repriced_unpriced: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What pricing anew would change: by model, and the number of calls by day of UTC.

    `kept_from`: the first day of single calls, where earlier ones of the scope may have been dropped.
    """

    models: Sequence[ModelCosts]
    changed_by_day: Sequence[tuple[date, int]]
    kept_from: date | None = None

    @property
    def changed(self) -> int:
        """How many calls will cost something else."""
        return sum(count for _, count in self.changed_by_day)


_IN_SCOPE = """
    (CAST(:start AS timestamptz) IS NULL OR call."timestamp" >= :start)
    AND (CAST(:end AS timestamptz) IS NULL OR call."timestamp" < :end)
    AND (CAST(:tenant AS text) IS NULL OR call.tenant_id = :tenant)
"""
_NAMES = text(f"SELECT DISTINCT provider, model, request_model FROM llm_calls AS call WHERE {_IN_SCOPE}")  # noqa: S608

_PRICES = """
    prices AS MATERIALIZED (SELECT * FROM unnest(
        CAST(:providers AS text[]), CAST(:models AS text[]), CAST(:request_models AS text[]),
        CAST(:sinces AS timestamptz[]), CAST(:behinds AS timestamptz[]), CAST(:inputs AS numeric[]),
        CAST(:cacheds AS numeric[]), CAST(:outputs AS numeric[]), CAST(:reasonings AS numeric[])
    ) AS price(provider, model, request_model, since, behind, input, cached, output, reasoning))
"""
_MATCHED = """
    price.provider = call.provider AND price.model = coalesce(call.model, '')
    AND price.request_model = call.request_model AND call."timestamp" >= price.since
    AND (price.behind IS NULL OR call."timestamp" < price.behind)
    AND coalesce(call.cache_read_input_tokens, 0) <= call.input_tokens
    AND coalesce(call.reasoning_output_tokens, 0) <= call.output_tokens
"""
_OFFLINE = "coalesce(call.recorded_cost_source, call.cost_source) IS NOT DISTINCT FROM 'offline'"
# Exact, and with twelve places at most, as no price has more: `domain.usage.prices.TokenPrices.cost` in SQL.
_COST = f"""CASE WHEN {_OFFLINE} THEN 0 ELSE (
    price.input * (call.input_tokens - coalesce(call.cache_read_input_tokens, 0))
    + price.cached * coalesce(call.cache_read_input_tokens, 0)
    + price.output * (call.output_tokens - coalesce(call.reasoning_output_tokens, 0))
    + price.reasoning * coalesce(call.reasoning_output_tokens, 0)
) END"""
_BELIEVED = f"{_COST} <= {MAX_COST_USD}"

_SURVEY = text(f"""
    WITH {_PRICES}, costs AS (
        SELECT (call."timestamp" AT TIME ZONE 'UTC')::date AS day, coalesce(call.model, call.request_model) AS model,
               CASE WHEN call.repriced_at IS NULL THEN call.cost_usd ELSE call.recorded_cost_usd END AS recorded,
               call.cost_usd AS held, {_OFFLINE} AS offline, CASE WHEN {_BELIEVED} THEN {_COST} END AS found
        FROM llm_calls AS call LEFT JOIN prices AS price ON {_MATCHED}
        WHERE {_IN_SCOPE}
    )
    SELECT day, model, count(*) AS calls, count(found) FILTER (WHERE NOT offline) AS priced,
           count(*) FILTER (WHERE found IS NOT NULL AND found IS DISTINCT FROM held) AS changed,
           coalesce(sum(recorded), 0) AS recorded_usd, coalesce(sum(held), 0) AS counted_usd,
           coalesce(sum(coalesce(found, held)), 0) AS repriced_usd,
           count(*) - count(held) AS counted_unpriced, count(*) - count(coalesce(found, held)) AS repriced_unpriced
    FROM costs GROUP BY day, model ORDER BY day, model
""")  # noqa: S608 - the parts are ours, the values parameters

_STORE = text(f"""
    WITH {_PRICES}
    UPDATE llm_calls AS call
    SET cost_usd = {_COST}, repriced_at = now(),
        cost_source = CASE WHEN {_OFFLINE} THEN 'offline' ELSE '{PRICE_FILE}' END,
        recorded_cost_usd = CASE WHEN repriced_at IS NULL THEN cost_usd ELSE recorded_cost_usd END,
        recorded_cost_source = CASE WHEN repriced_at IS NULL THEN cost_source ELSE recorded_cost_source END
    FROM prices AS price
    WHERE {_MATCHED} AND {_BELIEVED} AND call.cost_usd IS DISTINCT FROM {_COST} AND {_IN_SCOPE}
      AND call."timestamp" >= :first AND call."timestamp" < :behind
""")  # noqa: S608 - see above


class PostgresRepricer:
    """Prices the rows of `llm_calls` anew.

    Args:
        engine: connections of a user with the rights `REPRICING`.
        prices: the price list.
        scope: which calls.
    """

    def __init__(self, engine: AsyncEngine, prices: PriceList, scope: Scope) -> None:
        self._engine = engine
        self._prices = prices
        self._start = scope.start
        self._scope = {"start": scope.start, "end": scope.end, "tenant": scope.tenant_id}
        self._listed: dict[str, list[Any]] | None = None

    async def survey(self) -> Survey:
        """What would change; nothing is.

        Raises:
            UsageUnavailableError: the database cannot answer now.
        """
        async with working(self._engine) as connection:
            listed = self._listed = await self._look_up(connection)
            rows = (await connection.execute(_SURVEY, listed | self._scope)).mappings().all()
            kept = (await connection.execute(text("SELECT raw_from FROM usage_retention"))).scalar_one_or_none()
        days: dict[date, int] = {}
        models: dict[str, list[Any]] = {}
        for row in rows:
            days[row["day"]] = days.get(row["day"], 0) + row["changed"]
            numbers = [row[name] for name in ModelCosts.__slots__ if name != "model"]
            held = models.setdefault(row["model"], [0] * len(numbers))
            models[row["model"]] = [one + more for one, more in zip(held, numbers, strict=True)]
        found = [ModelCosts(model, *numbers) for model, numbers in sorted(models.items())]
        cut = kept is not None and (self._start is None or self._start < datetime.combine(kept, time(), UTC))
        return Survey(found, [(day, count) for day, count in sorted(days.items()) if count], kept if cut else None)

    async def store(self, survey: Survey) -> AsyncIterator[int]:
        """Store the new costs; each batch is a transaction, and says how many calls it changed.

        The recorded cost is kept beside the new one, however often a call is priced anew. What was stored before an
        interruption is stored; a further run goes on from there.

        Raises:
            UsageUnavailableError: the database cannot do it now.
        """
        if self._listed is None:
            raise ValueError("survey() comes first: it looks up the models' prices")
        for day, count in survey.changed_by_day:
            for first, behind in _slices(day, count):
                async with working(self._engine) as connection:
                    done = await connection.execute(
                        _STORE, self._listed | self._scope | {"first": first, "behind": behind}
                    )
                    changed = done.rowcount
                    await connection.commit()
                yield changed

    async def _look_up(self, connection: AsyncConnection) -> dict[str, list[Any]]:
        """The prices of every name under which there are calls, as columns: which are whose, the list alone says."""
        rows = [
            (row.provider, row.model or "", row.request_model, one.prices.since, one.behind, *_four(one.prices))
            for row in await connection.execute(_NAMES, self._scope)
            for one in self._prices.history(row.provider, row.model, row.request_model)
        ]
        names = (
            "providers",
            "models",
            "request_models",
            "sinces",
            "behinds",
            "inputs",
            "cacheds",
            "outputs",
            "reasonings",
        )
        return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def _four(prices: Any) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    return prices.input, prices.cached_input, prices.output, prices.reasoning


def _slices(day: date, count: int) -> list[tuple[datetime, datetime]]:
    """A day in so many parts that each has about BATCH_ROWS rows, where they are spread evenly."""
    first = datetime.combine(day, time(), UTC)
    parts = next((parts for parts in (1, 24) if count / parts <= BATCH_ROWS), 24 * 60)
    length = timedelta(days=1) / parts
    return [(first + length * number, first + length * (number + 1)) for number in range(parts)]
