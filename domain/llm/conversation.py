"""One invocation's way to a usable answer: attempts, pauses, a second chance for an invalid answer."""

import asyncio
import random as random_module
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from domain.errors import (
    DeadlineExceededError,
    InvalidOutputError,
    LLMError,
    PermanentLLMError,
    ProviderMisconfiguredError,
    ProviderUnusableError,
)
from domain.llm.breaker import CircuitBreaker, Ticket
from domain.llm.calls import Attempt, Completion, Invocation, Prompt
from domain.llm.retry import GiveUp, RetryPolicy, asked_to_wait, decide

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Answer(Generic[T_co]):
    """What a model answered, understood.

    Attributes:
        value: what the parser made of the text.
        completion: the answer as it came.
    """

    value: T_co
    completion: Completion


class RecordedModel(Protocol):
    """A model of which every attempt is recorded as an LLM-call event, however it ends."""

    @property
    def name(self) -> str:
        """The requested model's full name, `provider/model`."""
        ...

    async def ask(self, prompt: Prompt, attempt: Attempt, parse: Callable[[str], T]) -> Answer[T]:
        """Ask once, and parse the answer.

        Raises:
            InvalidOutputError: there was no text, or `parse` refused it; the attempt is billed all the same.
            RetryableLLMError, PermanentLLMError: the attempt failed.
        """
        ...


@dataclass(slots=True)
class Conversation:
    """The attempts of one invocation, one after the other.

    An invocation is out of time only where others were answered since its first failure. Where nobody was, the provider
    is taken to be down: the invocation waits, with its clock standing still, until somebody is answered.

    Attributes:
        model: whom to ask.
        invocation: what the attempts belong to.
        breaker: shared by all invocations of the worker.
        policy: how long to pause.
        attempts: how many LLM calls were made so far.
    """

    model: RecordedModel
    invocation: Invocation
    breaker: CircuitBreaker
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random_module.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    attempts: int = 0
    _failures: int = 0
    _answers_at_first_failure: int | None = None
    _began: float = 0.0
    _downtime_before: float = 0.0

    async def run(self, prompt: Prompt, parse: Callable[[str], T]) -> Answer[T]:
        """Ask until there is a usable answer.

        Raises:
            InvalidOutputError: the model never gave what was asked, in as many tries as the policy has.
            PermanentLLMError: the provider refuses this request.
            DeadlineExceededError: this invocation alone used up its time.
            ProviderUnusableError: the provider refuses everyone: a wrong key, an unknown model.
        """
        self._began, self._downtime_before = self.clock(), self.breaker.downtime()
        invalid = 0
        while True:
            ticket = await self._leave()
            try:
                return await self._attempt(ticket, prompt, parse)
            except InvalidOutputError as error:
                invalid += 1
                if invalid >= self.policy.output_tries or self.remaining_seconds() <= 0:
                    raise
                prompt = replace(prompt, complaint=complaint(error))
            except LLMError as error:
                await self._pause_after(error)

    def remaining_seconds(self) -> float:
        """What is left of the invocation's time; the provider's outages are not counted."""
        outage = self.breaker.downtime() - self._downtime_before
        return self.invocation.deadline_seconds - max(0.0, self.clock() - self._began - outage)

    async def _leave(self) -> Ticket:
        while True:
            ticket = await self.breaker.admit()
            if not ticket.held:
                return ticket
            # All who were held are let go at once: spread them a little.
            await self.sleep(self.random() * self.policy.base_seconds)

    async def _attempt(self, ticket: Ticket, prompt: Prompt, parse: Callable[[str], T]) -> Answer[T]:
        self.attempts += 1
        attempt = Attempt(self.invocation, self.attempts, prompt.version)
        try:
            answer = await self.model.ask(prompt, attempt, parse)
        except InvalidOutputError:
            self.breaker.answered(ticket)
            raise
        except LLMError as error:
            self._tell_breaker(ticket, error)
            raise
        except BaseException:
            self.breaker.abandoned(ticket)
            raise
        self.breaker.answered(ticket)
        return answer

    def _tell_breaker(self, ticket: Ticket, error: LLMError) -> None:
        if isinstance(error, PermanentLLMError) and not isinstance(error, ProviderMisconfiguredError):
            self.breaker.answered(ticket)
            return
        self.breaker.failed(ticket, error, alone=self._is_alone())
        self._failures += 1
        if self._answers_at_first_failure is None:
            self._answers_at_first_failure = self.breaker.answers

    def _is_alone(self) -> bool:
        """Whether others were answered since this invocation's first failure."""
        first = self._answers_at_first_failure
        return first is not None and self.breaker.answers > first

    async def _pause_after(self, error: LLMError) -> None:
        """Wait as the policy says, or as long as the provider is down.

        Raises:
            FeedbackError: there is no point in another attempt.
        """
        self._stop_if_unusable()
        decision = decide(self.policy, error, self._failures, self.remaining_seconds(), self.random)
        if isinstance(decision, GiveUp):
            if not isinstance(decision.error, DeadlineExceededError) or self._is_alone():
                raise decision.error from error
            self.breaker.trip(error)
            self._stop_if_unusable()
        else:  # while the breaker is open, it sets the pace
            await self.sleep(asked_to_wait(error) if self.breaker.is_open else decision.seconds)

    def _stop_if_unusable(self) -> None:
        refused = self.breaker.unusable
        if refused is not None:
            raise ProviderUnusableError(refused.message) from refused


def complaint(error: InvalidOutputError) -> str:
    """What the model is told before its second try; our own words only."""
    return f"Your answer could not be used. {error.message} Answer again, with the JSON object alone, as asked above."
