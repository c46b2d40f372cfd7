"""One invocation at work: its conversations with a model, under one deadline, one id and one count of attempts."""

import asyncio
import random as random_module
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import TypeVar
from uuid import UUID, uuid4

from domain.delivery import results
from domain.errors import TooLargeError
from domain.llm.calls import Invocation, Prompt
from domain.llm.conversation import Answer, Conversation
from domain.llm.countdown import Countdown
from domain.llm.rerouted import ReroutedConversation
from domain.llm.retry import RetryPolicy
from domain.llm.routing import Route, Routing
from domain.llm.tokens import room
from domain.operations.work import JointSteps
from domain.ports import EventPublisher
from schemas.base import Event
from schemas.operations import Operation

T = TypeVar("T")

LEAST_ROOM = 2_000
"""A model with room for fewer tokens makes no prompts small: each repeats the instructions, and is paid for."""


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
        routing: whom to ask, by operation.
        slots: one for each conversation at a time.
        policy: how long to pause between attempts.
        publisher: takes word of progress.
    """

    routing: Routing
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
    _countdown: Countdown = field(init=False)
    _joint: "InvocationSteps | None" = None
    _numbers: Iterator[int] = field(default_factory=partial(count, 1))

    def __post_init__(self) -> None:
        self._countdown = Countdown(self.invocation.deadline_seconds, self.asking.clock.monotonic)

    async def ask(self, prompt: Prompt, parse: Callable[[str], T]) -> Answer[T]:
        """See `Steps`. A conversation holds a slot for as long as the model is asked."""
        routes = [route for route in self._routes if route.holds(prompt)]
        refusal = None if len(routes) == len(self._routes) else _too_large()
        if refusal is not None and not routes:
            raise refusal
        routing, countdown = self.asking.routing, self._countdown
        conversation = ReroutedConversation(routes, routing, self.invocation, self._with, countdown, refusal)
        with countdown.answered_by(route.breaker for route in routes):
            async with self.asking.slots:
                try:
                    return await conversation.run(prompt, parse)
                finally:
                    self.attempts += conversation.attempts

    async def tell(self, key: str, event: Event) -> None:
        """See `Steps`."""
        asking, operation = self.asking, Operation(self.invocation.operation)
        message = results.progress(event, operation, key, self.trace_id, asking.clock.now())
        await asking.publisher.publish(message)

    def room_for(self, prompt: Prompt) -> int:
        """See `Steps`."""
        rooms = sorted(room(prompt, route.context_tokens) for route in self._routes)
        return next((each for each in rooms if each >= LEAST_ROOM), rooms[-1])

    def remaining_seconds(self) -> float:
        """See `Steps`."""
        return self._countdown.remaining()

    @property
    def invocation_id(self) -> UUID:
        """See `JointSteps`."""
        return self.invocation.invocation_id

    @property
    def receipts(self) -> list[asyncio.Future[None]]:
        """Acknowledgements of the events of all LLM calls so far, those that were made jointly included."""
        return (self._joint.receipts if self._joint else []) + self.invocation.receipts

    def joint(self) -> "InvocationSteps":
        """See `Steps`."""
        joint = replace(
            self.invocation,
            invocation_id=uuid4(),
            started_at=self.asking.clock.now(),
            deadline_seconds=self.remaining_seconds() / 2,
            record_id=None,
            request_id=None,
            trace_id=None,
            receipts=[],
        )
        return InvocationSteps(self.asking, joint, joint.invocation_id.hex)

    def share(self, joint: JointSteps) -> None:
        """See `Steps`."""
        assert isinstance(joint, InvocationSteps)  # noqa: S101 - made by `joint` of another one
        self._joint = joint
        self._countdown.share(joint._countdown)
        self.attempts += joint.attempts

    @property
    def _routes(self) -> Sequence[Route]:
        return self.asking.routing.of(self.invocation.operation)

    def _with(self, route: Route) -> Conversation:
        asking = self.asking
        return Conversation(
            route.model,
            self.invocation,
            route.breaker,
            self._countdown,
            asking.policy,
            random=asking.clock.random,
            sleep=asking.clock.sleep,
            numbers=self._numbers,
        )


def _too_large() -> TooLargeError:
    return TooLargeError(
        "The record and all that goes with it do not fit the model. Send it in shorter pieces, with a smaller "
        "framework, or to a model that takes more (LLM_CONTEXT_TOKENS)."
    )
