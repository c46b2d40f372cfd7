"""Bytes of `llm.calls` -> LLMCall, fast for the good ones, with a reason for the bad ones."""

from collections.abc import Set
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from domain.delivery.decoding import read_object, validate
from schemas.base import SUPPORTED_SCHEMA_VERSION
from schemas.llm_calls import IMPLAUSIBLE_USAGE, MAX_COST_USD, MAX_TOKENS, LLMCall

_TOKENS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "reasoning_output_tokens")
_LIMITS: dict[str, int | Decimal] = {**dict.fromkeys(_TOKENS, MAX_TOKENS), "cost_usd": MAX_COST_USD}


def decode(value: bytes | None) -> LLMCall:
    """The LLM call that a message carries, without figures that cannot be.

    Any service may send any figure, and one absurd figure would drown all others in every sum. Where a call is said to
    have taken more than MAX_TOKENS of a kind, none of its tokens and no cost is kept; where it is said to have cost
    more than MAX_COST_USD, no cost is. That holds for any number above these limits, also one that no column and no
    float can hold (1e400); only what is written with more than 4,300 digits our parser does not read. The call itself
    happened: it is stored and counts, as unpriced, and its `cost_source` says why, as for our own calls. What is no
    amount at all (negative, NaN, a word) makes no LLM call.

    Raises:
        InputError: it carries none; the subclass has the reason, the message no word of the input.
    """
    try:
        call = LLMCall.model_validate_json(value or b"")
    except ValidationError:
        call = None
    if call is None or call.schema_version != SUPPORTED_SCHEMA_VERSION:
        return _read_again(value)
    return _believable(call, {name for name, limit in _LIMITS.items() if (getattr(call, name) or 0) > limit})


def _read_again(value: bytes | None) -> LLMCall:
    """The slow way: what is absurd is taken out before the schema, whose own bounds are wider, can refuse it."""
    payload = read_object(value)
    absurd = {name for name, limit in _LIMITS.items() if _exceeds(payload.get(name), limit)}
    return _believable(validate(payload | dict.fromkeys(absurd), LLMCall), absurd)


def _exceeds(given: object, limit: int | Decimal) -> bool:
    """Whether a JSON value is a number, or a number in a string, above the limit.

    A number that JSON writes out and a float cannot hold comes as infinity: JSON itself has no other.
    """
    if isinstance(given, str):
        try:
            amount = Decimal(given)
        except ArithmeticError:
            return False
        return amount.is_finite() and amount > limit
    return isinstance(given, int | float) and given > limit


def _believable(call: LLMCall, absurd: Set[str]) -> LLMCall:
    unknown: dict[str, Any] = {"cost_usd": None, "cost_source": IMPLAUSIBLE_USAGE}
    if not absurd.isdisjoint(_TOKENS):
        unknown |= dict.fromkeys(_TOKENS)
    return call.model_copy(update=unknown) if absurd else call
