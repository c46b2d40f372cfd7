"""One invocation at work: its conversations with a model, under one deadline, one id and one count of attempts."""

import asyncio
import random as random_module
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import TypeVar

from domain.delivery import results
from domain.llm.breaker import CircuitBreaker
from domain.llm.calls import Invocation, Prompt
from domain.llm.conversation import Answer, Conversation, RecordedModel
from domain.llm.retry import RetryPolicy
from domain.ports import EventPublisher
from schemas.base import Event
from schemas.operations import Operation

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance, as they are or as a test has them."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    random: Callable[[], float] = random_module.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Asking:
    """What all invocations of a worker ask with.

    Attributes:
        model: whom to ask.
        breaker: shared by all.
        slots: one for each conversation at a time.
        policy: how long to pause between attempts.
        publisher: takes word of progress.
    """

    model: RecordedModel
    breaker: CircuitBreaker
    slots: asyncio.Semaphore
    policy: RetryPolicy
    publisher: EventPublisher
    clock: Clock


@dataclass(slots=True)
class InvocationSteps:
    """Fulfils `domain.operations.work.Steps` for one invocation.

    Its time begins with its first question: waiting for a slot is not its doing.

    Attributes:
        attempts: LLM calls made so far.
    """

    asking: Asking
    invocation: Invocation
    trace_id: str
    attempts: int = 0
    _began: float | None = None
    _numbers: Iterator[int] = field(default_factory=partial(count, 1))

    async def ask(self, prompt: Prompt, parse: Callable[[str], T]) -> Answer[T]:
        """See `Steps`. A conversation holds a slot for as long as the model is asked."""
        async with self.asking.slots:
            conversation = self._conversation()
            try:
                return await conversation.run(prompt, parse)
            finally:
                self.attempts += conversation.attempts

    async def tell(self, key: str, event: Event) -> None:
        """See `Steps`."""
        asking, operation = self.asking, Operation(self.invocation.operation)
        message = results.progress(event, operation, key, self.trace_id, asking.clock.now())
        await asking.publisher.publish(message)

    def remaining_seconds(self) -> float:
        """See `Steps`."""
        if self._began is None:
            return self.invocation.deadline_seconds
        spent = self.asking.clock.monotonic() - self._began - self.asking.breaker.downtime(self._began)
        return self.invocation.deadline_seconds - max(0.0, spent)

    def _conversation(self) -> Conversation:
        asking = self.asking
        if self._began is None:
            self._began = asking.clock.monotonic()
        return Conversation(
            asking.model,
            self.invocation,
            asking.breaker,
            asking.policy,
            clock=asking.clock.monotonic,
            random=asking.clock.random,
            sleep=asking.clock.sleep,
            numbers=self._numbers,
            began=self._began,
        )
