"""A row of the older service's table as an LLM call of ours: what can be one, and why another cannot. No IO."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any
from uuid import UUID, uuid5

from schemas.base import PLAUSIBLE_YEARS
from schemas.llm_calls import IMPLAUSIBLE_USAGE, MAX_COST_USD, MAX_DURATION_MS, MAX_TOKENS

COLUMNS = (
    *("id", "tenant_id", "operation", "timestamp", "call_duration_ms", "model", "input_tokens", "output_tokens"),
    *("cost_usd", "status", "error_class", "created_at"),
)
"""Of the older table."""

STATUSES = {
    **dict.fromkeys(("ok", "success", "succeeded", "successful", "completed"), "ok"),
    **dict.fromkeys(("error", "failed", "failure", "fail", "timeout"), "error"),
}
"""What its statuses mean, whatever their case."""

COST_SOURCE = "imported"
UNKNOWN = "unknown"
_NO_MOMENT = f"timestamp is null, infinite, or not of the years {PLAUSIBLE_YEARS[0]} to {PLAUSIBLE_YEARS[-1]}"
_NAMESPACE = UUID("6c1f0a52-6f7e-5d0c-9d0f-0c6a7b9a4f10")
_PLACES = Decimal("1e-12")
_DIGITS = 200_000
"""More than a number of PostgreSQL has: no sum is rounded, whatever somebody wrote into the older table."""
_LENGTHS = {"tenant_id": 255, "operation": 100, "model": 255, "error_class": 255}


class NotAdoptableError(ValueError):
    """Our table cannot hold the row; the text says why, in a few words, the same for all such rows."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A row as it is stored; the names are those of our columns.

    Attributes:
        rounding: what its cost grew by to have twelve places.
        disbelieved: whether its figures cannot be: it counts, and they are not kept.
    """

    call_id: UUID
    tenant_id: str
    operation: str
    timestamp: datetime
    created_at: datetime
    call_duration_ms: float
    provider: str
    request_model: str
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    cost_source: str | None
    status: str
    error_class: str | None
    rounding: Decimal = Decimal(0)
    disbelieved: bool = False


@dataclass(frozen=True, slots=True)
class Sums:
    """Rows, what they cost, and their tokens; what is not known, or no number, adds nothing."""

    rows: int = 0
    cost_usd: Decimal = Decimal(0)
    input_tokens: int | Decimal = 0
    output_tokens: int | Decimal = 0

    def plus(self, other: "Sums") -> "Sums":
        """Both together."""
        with localcontext(prec=_DIGITS):
            return Sums(
                self.rows + other.rows,
                self.cost_usd + other.cost_usd,
                self.input_tokens + other.input_tokens,
                self.output_tokens + other.output_tokens,
            )

    def minus(self, other: "Sums") -> "Sums":
        """What is left without the others."""
        with localcontext(prec=_DIGITS):
            return Sums(
                self.rows - other.rows,
                self.cost_usd - other.cost_usd,
                self.input_tokens - other.input_tokens,
                self.output_tokens - other.output_tokens,
            )


def sums_of(row: Mapping[str, Any]) -> Sums:
    """A row's own figures, of either table."""
    cost, read, written = (
        found if isinstance(found := row[name], int) or (found is not None and found.is_finite()) else 0
        for name in ("cost_usd", "input_tokens", "output_tokens")
    )
    return Sums(1, Decimal(cost), read, written)


def call_id_of(source: str, row_id: str) -> UUID:
    """The id of a row's call: the same whenever it is asked, so that a row that comes again is no new one."""
    return uuid5(_NAMESPACE, f"{source}\x1f{row_id}")


def adopt(row: Mapping[str, Any], source: str) -> Adopted:
    """The LLM call that a row of the older table tells of.

    Args:
        row: by the names of COLUMNS; `id` as text, `timestamp` and `created_at` with an offset or None, numbers as
            Decimal or None.
        source: what the table is called; with the row's id it makes the call's.

    Raises:
        NotAdoptableError: it tells of none.
    """
    texts = {name: _text(name, row[name], needed=name in ("tenant_id", "operation")) for name in _LENGTHS}
    if row["timestamp"] is None:
        raise NotAdoptableError(_NO_MOMENT)
    status = STATUSES.get(str(row["status"] or "").strip().lower())
    if status is None:
        raise NotAdoptableError(f"status {_shown(row['status'])} is not known")
    duration = _number("call_duration_ms", row["call_duration_ms"], needed=True) or Decimal(0)
    if duration > MAX_DURATION_MS:
        raise NotAdoptableError("call_duration_ms is more than our table takes")
    tokens = {name: _tokens(name, row[name]) for name in ("input_tokens", "output_tokens")}
    cost = _number("cost_usd", row["cost_usd"], needed=False)
    # As the consumer does it: of absurd tokens nothing is kept, of an absurd cost only the tokens.
    absurd = any((count or 0) > MAX_TOKENS for count in tokens.values())
    disbelieved = absurd or (cost or 0) > MAX_COST_USD
    kept = None if cost is None or disbelieved else cost.quantize(_PLACES, ROUND_HALF_EVEN)
    model = texts["model"]
    return Adopted(
        call_id=call_id_of(source, row["id"]),
        tenant_id=texts["tenant_id"] or "",
        operation=texts["operation"] or "",
        timestamp=row["timestamp"],
        created_at=row["created_at"] or row["timestamp"] + timedelta(milliseconds=float(duration)),
        call_duration_ms=float(duration),
        provider=model.partition("/")[0] if model and "/" in model[1:] else UNKNOWN,
        request_model=model or UNKNOWN,
        model=model,
        input_tokens=None if absurd else tokens["input_tokens"],
        output_tokens=None if absurd else tokens["output_tokens"],
        cost_usd=kept,
        cost_source=IMPLAUSIBLE_USAGE if disbelieved else COST_SOURCE if kept is not None else None,
        status=status,
        error_class=texts["error_class"],
        rounding=Decimal(0) if kept is None or cost is None else _exact_difference(kept, cost),
        disbelieved=disbelieved,
    )


def _exact_difference(one: Decimal, other: Decimal) -> Decimal:
    with localcontext(prec=_DIGITS):
        return one - other


def _text(name: str, value: Any, *, needed: bool) -> str | None:
    if value is None or value == "":
        if needed:
            raise NotAdoptableError(f"{name} is {'null' if value is None else 'empty'}")
        return None
    if len(str(value)) > _LENGTHS[name]:
        raise NotAdoptableError(f"{name} has more than {_LENGTHS[name]} characters")
    return str(value)


def _number(name: str, value: Decimal | None, *, needed: bool) -> Decimal | None:
    if value is None:
        if needed:
            raise NotAdoptableError(f"{name} is null")
        return None
    if not value.is_finite():
        raise NotAdoptableError(f"{name} is {'NaN' if value.is_nan() else 'infinite'}")
    if value < 0:
        raise NotAdoptableError(f"{name} is negative")
    return value


def _tokens(name: str, value: Decimal | None) -> int | None:
    number = _number(name, value, needed=False)
    if number is not None and number != number.to_integral_value():
        raise NotAdoptableError(f"{name} is no whole number")
    return None if number is None else int(number)


def _shown(status: Any) -> str:
    """A status for a sentence: short, and of one line."""
    if status is None:
        return "null"
    found = "".join(character if character.isprintable() else "?" for character in str(status))
    return f"`{found[:40]}`"
