"""Everything that happens to one input between being read and being acknowledged."""

import asyncio
import random as random_module
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any

from domain.concurrency import together
from domain.delivery.answering import Answering
from domain.delivery.dead_letter_limit import DeadLetterLimit
from domain.delivery.dead_letters import DeadLetters, Failure
from domain.delivery.faults import TRIES, as_ours, bug, log_fault
from domain.delivery.health import Health
from domain.delivery.inputs import Assignment, Inputs
from domain.delivery.job import Job
from domain.delivery.messages import InboundMessage
from domain.delivery.parts import PartsRegister
from domain.delivery.pauses import NOBODY, Pauses
from domain.delivery.places import Places
from domain.delivery.settings import DeliverySettings
from domain.delivery.steps import Asking, Clock
from domain.delivery.tally import DeadLetterTally
from domain.delivery.tasks import acknowledged
from domain.errors import (
    BudgetExhaustedError,
    FeedbackError,
    InputError,
    InvalidOutputError,
    LLMError,
)
from domain.llm.routing import Routing
from domain.ports import EventPublisher
from schemas.cloudevents import identify
from schemas.operations import Operation

_OF_THIS_INPUT = (InputError, LLMError, InvalidOutputError)
"""What makes a dead letter; any other error of ours stops the worker."""

Branch = Callable[[], Coroutine[Any, Any, None]]
_READING = "reading"


class Delivery:
    """Handles inputs, many at once; one per worker, used from one event loop."""

    def __init__(
        self,
        inputs: Inputs,
        routing: Routing,
        publisher: EventPublisher,
        settings: DeliverySettings,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        random: Callable[[], float] = random_module.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        dead_letters: DeadLetterTally | None = None,
        parts: PartsRegister | None = None,
        pauses: Pauses = NOBODY,
    ) -> None:
        """`routing` says which model is asked; `parts`: where the parts of requests wait, if the inputs have any.

        `pauses` says whose work is not to be done now.
        """
        self._pauses = pauses
        self._inputs = inputs
        self._parts = parts
        self._places = Places(settings.max_in_flight, routing, parts)
        clock = Clock(monotonic, now, random, sleep)
        asking = Asking(routing, self._places.slots, settings.retry, publisher, clock)
        self._answering = Answering(asking, publisher, settings.deadline)
        self._dead_letters = DeadLetters(publisher, now, dead_letters)
        self._health = Health(
            DeadLetterLimit(settings.dead_letter_share, settings.dead_letter_window, settings.dead_letter_minimum)
        )

    async def ready_for_more(self) -> None:
        """Return when another input may be read: a place is free, memory for parts too, and the provider answers.

        Inputs that wait for a framework take no place. While the circuit breaker is open, inputs are let in only as
        long as fewer than two are at work, so that a probe with another input is possible. Call it before each read,
        from one task, and create the task that runs `handle` for what was read before calling it again.
        """
        await self._places.free()

    def reading_held(self) -> AbstractContextManager[None]:
        """While this lasts nothing is read, and no part of a request is given up for the want of another.

        But where nothing is here but such parts, their time runs: nothing else could make room for what they wait for.
        """
        return nullcontext() if self._parts is None else self._parts.reading_held()

    async def handle(self, message: InboundMessage) -> int | None:
        """Bring one input to its outcome; when this returns, the input may be acknowledged.

        Returns:
            For a part of a request the highest offset, on its own partition, of the parts that it shares its outcome
            with: it is to be acknowledged together with them. None for any other input.

        Raises:
            BrokerUnavailableError: an outcome was not acknowledged; the input must be delivered again.
            WorkerHaltedError: going on would do harm: too many dead letters, an unusable provider.
            BugError: a fault of this program, not tied to this input. After any of these the input must not be
                acknowledged. Nothing else comes out, so that nobody prints an exception that quotes an input.
        """
        try:
            await self._bring_to_outcome(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, it stops the worker
            found = as_ours(error, message.where)
        else:
            return self._parts.reach(message) if self._parts else None
        raise found

    async def _bring_to_outcome(self, message: InboundMessage) -> None:
        with self._places.occupy() as place, self._parts.input_here() if self._parts else nullcontext():
            place.begin(_READING)
            job = Job(message, identify(message.topic, message.key, message.value, message.headers), place)
            await self._outcome(job, None, partial(self._inputs.read, job))
            if job.event is not None:
                branches = [self._branch(job, assignment) for assignment in self._inputs.assignments(job)]
                place.end(_READING)
                await together([branch() for branch in branches])
            await acknowledged(job.receipts)
        self._health.check()

    def _branch(self, job: Job, assignment: Assignment) -> Branch:
        """The work on one operation; what need not wait takes the place from now on."""
        if not assignment.waits:
            job.place.begin(assignment.operation)
        return partial(self._outcome, job, assignment.operation, partial(self._carry_out, job, assignment))

    async def _carry_out(self, job: Job, assignment: Assignment) -> None:
        async with assignment.around() as ours:
            if ours:
                self._refuse_paused(job, assignment.operation)
            work = await assignment.work() if ours else None
            if work is not None:
                self._refuse_paused(job, assignment.operation)  # once more, as it may have waited for its framework
                job.place.begin(assignment.operation)
                await self._answering.answer(job, assignment.operation, work)

    def _refuse_paused(self, job: Job, operation: Operation) -> None:
        if job.event is not None and self._pauses.is_paused(job.event.tenant_id, operation.value):
            raise BudgetExhaustedError(operation.value)

    async def _outcome(self, job: Job, operation: Operation | None, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work, or leave a dead letter."""
        try:
            error = await self._failure(job, operation, work)
            if error is None:
                self._health.succeeded(operation)
            else:
                await self._give_up(job, operation, error)
        finally:
            if operation is not None:
                job.place.end(operation)

    async def _failure(
        self, job: Job, operation: Operation | None, work: Callable[[], Awaitable[None]]
    ) -> Exception | None:
        """Do the work; return what makes a dead letter of it, if anything does.

        An unknown exception gets a second try: it may have been chance. No error is raised while another one is being
        handled, as its text would go along.
        """
        where = f"operation {operation or 'none'}, {job.message.where}"
        for _ in range(TRIES):
            try:
                await work()
            except _OF_THIS_INPUT as error:
                self._health.blamed(operation, error)
                return error
            except FeedbackError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a bug, and logged
                log_fault(error, where)
                found = error
            else:
                return None
        if self._health.met_a_bug(operation):
            raise bug(found, where)
        return found

    async def _give_up(self, job: Job, operation: Operation | None, error: Exception) -> None:
        """Publish the dead letter, after the events of the failed attempts."""
        await acknowledged(job.receipts)
        attempts = job.attempts.get(operation, 0) if operation else 0
        failure = Failure.of(error, operation and operation.value, attempts)
        await self._dead_letters.publish(job.message, failure, identity=job.identity, answers=job.answers)
        self._health.failed(operation, error)
