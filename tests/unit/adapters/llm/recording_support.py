"""What the tests of the recorder share: a publisher, a model, an attempt, and how it ended."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from adapters.llm.recording import RecordingModel
from domain.errors import (
    InvalidOutputError,
)
from domain.llm.calls import Attempt, Completion, Cost, Invocation, Prompt, Usage
from domain.ports import OutboundMessage
from schemas.llm_calls import LLMCall

SECRET = "the water point at the old mosque"
PROMPT = Prompt("summarize", "summarize.v1", f"system {SECRET}", f"user {SECRET}", 100)
STARTED = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


class Publisher:
    """Keeps what is published; `broken` makes it fail, `gate` holds it back."""

    def __init__(self) -> None:
        self.messages: list[OutboundMessage] = []
        self.broken: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def publish(self, message: OutboundMessage) -> None:
        await self.gate.wait()
        if self.broken is not None:
            raise self.broken
        self.messages.append(message)

    def events(self) -> list[LLMCall]:
        return [LLMCall.model_validate_json(message.value or b"") for message in self.messages]


class Model:
    """Answers with what a function does."""

    name = "openai/gpt-4o-mini"

    def __init__(self, act: Callable[[], Awaitable[Completion]]) -> None:
        self._act = act

    async def complete(self, prompt: Prompt, attempt: Attempt) -> Completion:
        return await self._act()


def answer(text: str | None = SECRET, finish_reason: str = "stop", model: str | None = "gpt-4o-mini-2024-07-18"):
    usage = Usage(100, 20, 60, 5)
    return Completion(text, model, usage, Cost(Decimal("0.000012"), "price_map"), 200, finish_reason)


def answering(completion: Completion) -> Model:
    async def act() -> Completion:
        return completion

    return Model(act)


def raising(error: BaseException) -> Model:
    async def act() -> Completion:
        raise error

    return Model(act)


def attempt(number: int = 2) -> Attempt:
    invocation = Invocation(uuid4(), "tenant-a", "summarize", STARTED, 60.0, record_id="r-1", trace_id="a" * 32)
    return Attempt(invocation, number, "summarize.v1")


def refuse(text: str) -> str:
    raise InvalidOutputError("This is not JSON.")


async def ended(model: Model, expected: type[BaseException], parse=str, seconds: float = 5.0) -> LLMCall:
    """The one event of an attempt that ends with an error."""
    publisher, about = Publisher(), attempt()
    recorder = RecordingModel(model, publisher, seconds)
    with pytest.raises(expected):
        await recorder.ask(PROMPT, about, parse)
    await asyncio.gather(*about.invocation.receipts)
    (event,) = publisher.events()
    assert SECRET not in (publisher.messages[0].value or b"").decode()
    assert event.status == "error"
    return event
