"""Bytes of `llm.calls` -> LLMCall, fast for the good ones, with a reason for the bad ones."""

from pydantic import ValidationError

from domain.delivery.decoding import read_event
from schemas.base import SUPPORTED_SCHEMA_VERSION
from schemas.llm_calls import IMPLAUSIBLE_USAGE, MAX_COST_USD, MAX_TOKENS, LLMCall

_TOKENS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "reasoning_output_tokens")


def decode(value: bytes | None) -> LLMCall:
    """The LLM call that a message carries, without figures that cannot be.

    Any service may send any figure, and one absurd figure would drown all others in every sum. Where a call is said to
    have taken more than MAX_TOKENS of a kind, none of its tokens and no cost is kept; where it is said to have cost
    more than MAX_COST_USD, no cost is. The call itself happened: it is stored and counts, as unpriced, and its
    `cost_source` says why, as for our own calls.

    Raises:
        InputError: it carries none; the subclass has the reason, the message no word of the input.
    """
    try:
        call = LLMCall.model_validate_json(value or b"")
    except ValidationError:
        call = None
    if call is None or call.schema_version != SUPPORTED_SCHEMA_VERSION:
        call = read_event(value, LLMCall)
    return _believable(call)


def _believable(call: LLMCall) -> LLMCall:
    unpriced = {"cost_usd": None, "cost_source": IMPLAUSIBLE_USAGE}
    if any((getattr(call, kind) or 0) > MAX_TOKENS for kind in _TOKENS):
        return call.model_copy(update={**unpriced, **dict.fromkeys(_TOKENS)})
    if call.cost_usd is not None and call.cost_usd > MAX_COST_USD:
        return call.model_copy(update=unpriced)
    return call
