"""What goes to a model and what comes back: plain values, whoever the provider is."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from domain.corrections import Teaching


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked.

    Attributes:
        operation: what for.
        version: the prompt's version, stored with every result and LLM call.
        system: instructions, framework, output language: trusted, stable text first, so that a provider can cache it.
        user: the envelope with the community's text, and nothing else.
        max_output_tokens: where the answer is cut.
        complaint: what was wrong with the answer before, on a second try; our own words, never the model's.
        teaching: what a model that learns, and keeps it to itself, may learn from; no part of the messages, so that no
            provider gets it.
    """

    operation: str
    version: str
    system: str = field(repr=False)
    user: str = field(repr=False)
    max_output_tokens: int
    complaint: str | None = None
    teaching: Teaching | None = field(default=None, repr=False, compare=False)

    def messages(self) -> list[dict[str, str]]:
        """The prompt as chat messages, in the shape that OpenAI's chat completions take."""
        messages = [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]
        if self.complaint is not None:
            messages.append({"role": "user", "content": self.complaint})
        return messages


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt used, as the provider says; None = not told.

    Attributes:
        input_tokens: tokens read, those from a cache included.
        output_tokens: tokens written, those spent on reasoning included.
        cache_read_input_tokens: the part of `input_tokens` that came from a cache.
        reasoning_output_tokens: the part of `output_tokens` spent on reasoning.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    reasoning_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What an attempt cost.

    Attributes:
        usd: US dollars; None = unknown.
        source: where the figure comes from, or why there is none.
    """

    usd: Decimal | None
    source: str


@dataclass(frozen=True, slots=True)
class Completion:
    """A provider's answer to one attempt: billed, whether it is any use or not.

    Attributes:
        text: what the model wrote; None where it wrote nothing.
        model: the model that answered, as the provider names it.
        usage, cost: what it took.
        http_status: the provider's HTTP status, where there is one.
        finish_reason: why the model stopped, as the provider says it.
        duration_seconds: how long it worked on this attempt, where it knows better than a clock around the call: a
            model that answers one prompt after the other does not count the time in its queue.
    """

    text: str | None = field(repr=False)
    model: str | None
    usage: Usage
    cost: Cost
    http_status: int | None = None
    finish_reason: str | None = None
    duration_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Invocation:
    """One operation on one input: what its LLM calls have in common.

    Attributes:
        invocation_id: new for each run, so that a repeat after a crash is seen as one.
        started_at: when it began, UTC.
        deadline_seconds: how much time it has in all, time lost to a provider that is down for everyone not counted.
        receipts: the broker's acknowledgements of its LLM-call events; an input is done when all have come.
    """

    invocation_id: UUID
    tenant_id: str
    operation: str
    started_at: datetime
    deadline_seconds: float
    record_id: str | None = None
    request_id: str | None = None
    trace_id: str | None = None
    receipts: list[asyncio.Future[None]] = field(default_factory=list, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of an invocation: what is recorded of it before it is made."""

    invocation: Invocation
    number: int
    prompt_version: str


class ChatModel(Protocol):
    """One attempt against a provider, no retries inside."""

    @property
    def name(self) -> str:
        """The requested model's full name, `provider/model`."""
        ...

    async def complete(self, prompt: Prompt, attempt: Attempt) -> Completion:
        """Ask once.

        Raises:
            RetryableLLMError, PermanentLLMError: the attempt failed; an answer without text is no failure here.
        """
        ...
