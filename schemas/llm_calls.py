"""One attempt against a provider, as it is counted and billed."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from schemas.base import Event, Identifier, Moment, without_nul

MAX_BIGINT = 2**63 - 1
MAX_DURATION_MS = 10.0**12

MAX_TOKENS = 10_000_000
"""More tokens of one kind in one call are not believed: no model reads so many."""

MAX_COST_USD = Decimal(10_000)
"""A higher cost of one call is not believed: the dearest models take less for MAX_TOKENS."""

IMPLAUSIBLE_USAGE = "implausible_usage"
"""The `cost_source` of a call whose usage or cost was told and is not believed: it counts, its figures do not."""

_LAST_PLACE = Decimal("1e-12")
_TOO_MUCH = Decimal(1_000_000)


def _to_twelve_places(amount: Decimal) -> Decimal:
    """Round what a program that reckons in floats leaves behind, half to even; fewer places stay as they are."""
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -12:
        return amount
    rounded = amount.quantize(_LAST_PLACE, ROUND_HALF_EVEN)
    if rounded >= _TOO_MUCH:
        raise ValueError(f"must be less than {_TOO_MUCH}")
    return rounded


Tokens = Annotated[int, Field(ge=0, le=MAX_BIGINT)]
"""What the table can hold. Whatever is above MAX_TOKENS is stored as unknown, also what is above this bound."""

Money = Annotated[Decimal, Field(ge=0, lt=_TOO_MUCH, allow_inf_nan=False), AfterValidator(_to_twelve_places)]
"""US dollars: up to 6 digits before the point and 12 after it; further digits are rounded, half to even.

Whatever is above MAX_COST_USD is stored as unknown, also what is above this bound."""


class LLMCall(Event):
    """One attempt against a provider, whether it answered or not. Key on its topic: the invocation id.

    Any service may publish it. It never holds feedback text, prompts, model output or keys. The bounds here are for who
    makes one; a reader takes any number that is not negative, and stores as unknown what cannot be: see MAX_TOKENS and
    MAX_COST_USD.
    """

    ce_type: ClassVar[str] = "llm.call.recorded"

    call_id: UUID = Field(description="Unique for each attempt: a repeated event with the same id counts once.")
    tenant_id: Identifier = Field(description="Who the call was made for.")
    operation: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(without_nul)] = Field(
        description="What the call was for; our own operations or any other service's."
    )
    invocation_id: UUID = Field(description="The invocation that the attempt belongs to.")
    invocation_started_at: Moment = Field(description="When that invocation began; equal on all of its calls.")
    timestamp: Moment = Field(description="Start of the attempt.")
    call_duration_ms: Annotated[float, Field(ge=0, le=MAX_DURATION_MS, allow_inf_nan=False)] = Field(
        description="Length of the attempt in milliseconds."
    )
    provider: Annotated[str, Field(min_length=1, max_length=100)] = Field(description="Who was called, e.g. openai.")
    request_model: Annotated[str, Field(min_length=1, max_length=255)] = Field(
        description="The model that was asked for."
    )
    model: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        default=None, description="The model that answered, as the provider named it."
    )
    input_tokens: Tokens | None = Field(default=None, description="Tokens read, cached ones included; null = not told.")
    output_tokens: Tokens | None = Field(
        default=None, description="Tokens written, reasoning included; null = not told."
    )
    cache_read_input_tokens: Tokens | None = Field(
        default=None, description="The part of input_tokens read from a cache."
    )
    reasoning_output_tokens: Tokens | None = Field(
        default=None, description="The part of output_tokens spent on reasoning."
    )
    cost_usd: Money | None = Field(default=None, description="Cost in US dollars; null = unknown, never 0 for unknown.")
    cost_source: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="Where the cost comes from, or why it is unknown."
    )
    status: Literal["ok", "error"] = Field(description="Whether the attempt gave a usable answer.")
    error_class: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        default=None, description="What went wrong, where something did."
    )
    attempt: Annotated[int, Field(ge=1, le=32_767)] = Field(description="1 for the invocation's first attempt.")
    http_status: Annotated[int, Field(ge=100, le=999)] | None = Field(
        default=None, description="The provider's HTTP status."
    )
    prompt_version: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="The version of the prompt."
    )
    record_id: Identifier | None = Field(default=None, description="The record that the call was about.")
    request_id: Identifier | None = Field(default=None, description="The request that the call was about.")
    trace_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = Field(
        default=None, description="W3C trace id of the input event."
    )
