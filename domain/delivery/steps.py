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
from domain.llm.rerouted import ReroutedConversation
from domain.llm.retry import RetryPolicy
from domain.llm.routing import Route, Routing
from domain.operations.work import JointSteps
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
    _began: float | None = None
    _lost: float = 0.0
    _joint: "InvocationSteps | None" = None
    _numbers: Iterator[int] = field(default_factory=partial(count, 1))

    async def ask(self, prompt: Prompt, parse: Callable[[str], T]) -> Answer[T]:
        """See `Steps`. A conversation holds a slot for as long as the model is asked."""
        routes = [route for route in self._routes if route.holds(prompt)]
        if not routes:
            raise TooLargeError(
                "The record and all that goes with it do not fit the model. Send it in shorter pieces, with a smaller "
                "framework, or to a model that takes more (LLM_CONTEXT_TOKENS)."
            )
        async with self.asking.slots:
            conversation = self._conversation(routes)
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
        routes = self._routes
        lost = routes[0].breaker.downtime(self._began) if len(routes) == 1 else self._lost
        spent = self.asking.clock.monotonic() - self._began - lost
        return self.invocation.deadline_seconds - max(0.0, spent)

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
        self._joint, self._began, self._lost = joint, joint._began, joint._lost
        self.attempts += joint.attempts

    @property
    def _routes(self) -> Sequence[Route]:
        return self.asking.routing.of(self.invocation.operation)

    def _conversation(self, routes: Sequence[Route]) -> Conversation | ReroutedConversation:
        clock = self.asking.clock.monotonic
        if self._began is None:
            self._began = clock()
        if len(self._routes) == 1:
            return self._with(routes[0], self.invocation, self._began)
        return ReroutedConversation(routes, self.asking.routing, self.invocation, self._resumed, _Time(self), clock)

    def _resumed(self, route: Route, invocation: Invocation) -> Conversation:
        """A conversation of what is left of the time: what went by before is no matter of this route's outages."""
        left = replace(invocation, deadline_seconds=self.remaining_seconds())
        return self._with(route, left, self.asking.clock.monotonic())

    def _with(self, route: Route, invocation: Invocation, began: float) -> Conversation:
        asking = self.asking
        return Conversation(
            route.model,
            invocation,
            route.breaker,
            asking.policy,
            clock=asking.clock.monotonic,
            random=asking.clock.random,
            sleep=asking.clock.sleep,
            numbers=self._numbers,
            began=began,
        )


class _Time:
    """What one question of an invocation lost to outages. Questions that lose the same time at once lose it once."""

    def __init__(self, steps: InvocationSteps) -> None:
        self._steps, self._lost = steps, steps._lost

    def lose(self, seconds: float) -> None:
        """See `domain.llm.rerouted.Time`."""
        self._lost += seconds
        self._steps._lost = max(self._steps._lost, self._lost)
