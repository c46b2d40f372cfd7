"""Prices of models over time, as somebody writes them down: what a call cost, told from its tokens and its moment.

Tokens read from a cache are a part of the input tokens, and reasoning tokens are a part of the output tokens: each
token is paid once, at the price of what it is. docs/prices.md says how a price file looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from domain.errors import UserError
from domain.usage.amounts import exact_number, with_places
from domain.wording import problems_of

PRICE_FILE = "price_file"
"""The `cost_source` of a call whose cost comes from a price file."""

MAX_PRICES = 10_000
_PLACES = 12
_REMEDY = "See docs/prices.md for its form, and samples/prices.toml for one that can be used."


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """US dollars a token, from `since` on (a moment with an offset). No price has more than twelve places."""

    since: datetime
    input: Decimal
    cached_input: Decimal
    output: Decimal
    reasoning: Decimal

    def cost(self, spent: int, written: int, cached: int = 0, thought: int = 0) -> Decimal:
        """The exact cost of a call.

        Args:
            spent, written: all its input tokens and all its output tokens.
            cached: the part of `spent` that was read from a cache.
            thought: the part of `written` that was spent on reasoning.
        """
        read = self.input * (spent - cached) + self.cached_input * cached
        return read + self.output * (written - thought) + self.reasoning * thought


@dataclass(frozen=True, slots=True)
class Validity:
    """Prices with the time that they hold for: up to, but not including, `behind`; None: from then on."""

    prices: TokenPrices
    behind: datetime | None


class PriceList:
    """The prices of some models.

    Args:
        by_model: by name (`model`, or `provider/model` for one provider only), oldest first, no moment twice.
    """

    def __init__(self, by_model: Mapping[str, tuple[TokenPrices, ...]]) -> None:
        self._by_model = by_model

    def history(self, provider: str, model: str | None, request_model: str) -> tuple[Validity, ...]:
        """The prices of a call's model over time; none where the list has no such model.

        The model that answered comes first, as it is the one that is billed, then the one that was asked for; each
        first with its provider's name in front.
        """
        for name in _names(provider, model, request_model):
            found = self._by_model.get(name)
            if found is not None:
                last = Validity(found[-1], None)
                return (*(Validity(prices, later.since) for prices, later in pairwise(found)), last)
        return ()

    def at(self, moment: datetime, provider: str, model: str | None, request_model: str) -> TokenPrices | None:
        """The prices of a call that began at `moment`; None where the list has none for it."""
        held = (one for one in self.history(provider, model, request_model) if one.prices.since <= moment)
        return next((one.prices for one in held if one.behind is None or moment < one.behind), None)


def _names(provider: str, model: str | None, request_model: str) -> list[str]:
    asked = request_model.removeprefix(f"{provider}/")
    told = [] if model is None else [f"{provider}/{model}", model]
    return [*told, f"{provider}/{asked}", asked]


def read_moment(value: object) -> datetime:
    """A moment in UTC from a date (its first one in UTC), a moment with an offset, or either of them as text.

    Raises:
        ValueError: it is neither; the message says what is wrong, and goes behind the value's name.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if "T" in value or " " in value else date.fromisoformat(value)
        except ValueError:
            raise ValueError("is no date (2026-01-31), and no moment with an offset") from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("is a moment without an offset: write a date, or add Z")
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise ValueError("is no date")


Price = Annotated[
    Decimal,
    Field(ge=0, le=Decimal("0.01"), allow_inf_nan=False),
    BeforeValidator(exact_number),
    AfterValidator(with_places(_PLACES, ": it is US dollars for one token")),
]
Since = Annotated[datetime, BeforeValidator(read_moment)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[str, Field(min_length=1, max_length=355)]
    valid_from: Since
    input: Price
    cached_input: Price | None = None
    output: Price
    reasoning: Price | None = None

    def prices(self) -> TokenPrices:
        cached = self.input if self.cached_input is None else self.cached_input
        thought = self.output if self.reasoning is None else self.reasoning
        return TokenPrices(self.valid_from, self.input, cached, self.output, thought)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    prices: Annotated[tuple[_Entry, ...], Field(min_length=1, max_length=MAX_PRICES)]


def read_prices(content: object, where: str) -> PriceList:
    """The prices that a parsed file holds, its numbers as Decimals.

    Args:
        content: what JSON or TOML had.
        where: how the file is called, for sentences.

    Raises:
        UserError: it is no price file.
    """
    try:
        given = _File.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{where} is no price file: {problems_of(error)}.", _REMEDY) from None
    by_model: dict[str, list[TokenPrices]] = {}
    for entry in given.prices:
        by_model.setdefault(entry.model, []).append(entry.prices())
    for model, prices in by_model.items():
        prices.sort(key=lambda one: one.since)
        twice = next((one.since for one, other in pairwise(prices) if one.since == other.since), None)
        if twice is not None:
            said = f"{twice:%Y-%m-%d}" if twice.time() == time() else twice.isoformat()
            raise UserError(f"{where} has two prices of {model} from {said} on.", "Leave one of them.")
    return PriceList({model: tuple(prices) for model, prices in by_model.items()})
