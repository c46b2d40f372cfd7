"""Bytes of `llm.calls` -> LLMCall, fast for the good ones, with a reason for the bad ones."""

from pydantic import ValidationError

from domain.delivery.decoding import read_event
from schemas.base import SUPPORTED_SCHEMA_VERSION
from schemas.llm_calls import LLMCall


def decode(value: bytes | None) -> LLMCall:
    """The LLM call that a message carries.

    Raises:
        InputError: it carries none; the subclass has the reason, the message no word of the input.
    """
    try:
        call = LLMCall.model_validate_json(value or b"")
    except ValidationError:
        call = None
    if call is not None and call.schema_version == SUPPORTED_SCHEMA_VERSION:
        return call
    return read_event(value, LLMCall)
