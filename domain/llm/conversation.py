"""One invocation's way to a usable answer: attempts, pauses, a second chance for an invalid answer."""

import asyncio
import random as random_module
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Generic, Protocol, TypeVar

from domain.errors import (
    DeadlineExceededError,
    FeedbackError,
    InvalidOutputError,
    LLMError,
    PermanentLLMError,
    ProviderMisconfiguredError,
    ProviderRefusedError,
    ProviderUnusableError,
)
from domain.llm.breaker import CircuitBreaker, Ticket
from domain.llm.calls import Attempt, Completion, Invocation, Prompt
from domain.llm.countdown import Countdown
from domain.llm.parsing import LenientAtLast
from domain.llm.retry import GiveUp, RetryPolicy, asked_to_wait, decide, pause

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

CHANCE = 0.05
"""An invocation is to blame for its failures where one like all others would have had them as rarely as this."""
_FORBIDDEN = 403


class ModelDownError(FeedbackError):
    """The model is down, and another one can be asked instead; never seen outside of `domain.llm`."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T_co]):
    """What a model answered, understood.

    Attributes:
        value: what the parser made of the text.
        completion: the answer as it came.
        asked: the requested model's full name.
    """

    value: T_co
    completion: Completion
    asked: str

    @property
    def model(self) -> str:
        """The model that answered, as the provider names it; else the one that was asked for."""
        return self.completion.model or self.asked


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

    Its time passes while others are answered. Where its own failures go on and nobody is, the provider is taken to be
    down: it waits, with its clock standing still since the last answer to anyone, until somebody is answered. One that
    is to blame itself, as is plain from how others fared, is out of time all the same when it is left alone.

    A wrong key or an unknown model is never one input's `deadline_exceeded`. It is a refusal of this input where it
    alone is refused while others are answered (or, for a 403, where it is the only one since the last answer), else it
    stops the worker.

    Attributes:
        model: whom to ask.
        invocation: what the attempts belong to.
        breaker: shared by all invocations of the worker.
        countdown: the invocation's time, shared by all of its conversations.
        policy: how long to pause.
        numbers: the numbers of the invocation's attempts, shared by all of its conversations.
        attempts: how many LLM calls were made here so far.
        may_leave: do not wait for a model that is down: another one can be asked.
        ticket: leave for the first attempt, where it was given already.
    """

    model: RecordedModel
    invocation: Invocation
    breaker: CircuitBreaker
    countdown: Countdown
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    random: Callable[[], float] = random_module.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    numbers: Iterator[int] = field(default_factory=partial(count, 1))
    attempts: int = 0
    may_leave: bool = False
    ticket: Ticket | None = None
    _failures: int = 0
    _failures_before_answer: int = 0
    _answers_at_first: int = 0
    _answers_at_latest: int = 0
    _failures_at_first: int = 0
    _refusals: int = 0
    _refused_since: float = 0.0
    _not_before: float = 0.0

    async def run(self, prompt: Prompt, parse: Callable[[str], T]) -> Answer[T]:
        """Ask until there is a usable answer; a `parse` that is LenientAtLast is told which try is the last.

        Raises:
            InvalidOutputError: the model never gave what was asked, in as many tries as the policy has.
            ProviderRefusedError: the provider refuses this request.
            DeadlineExceededError: this invocation alone used up its time.
            ProviderUnusableError: the provider refuses everyone: a wrong key, an unknown model.
            ModelDownError: the provider is down, and `may_leave` is set.
        """
        self.countdown.begin()
        with self.breaker.at_work(self._input()), self.countdown.answered_by([self.breaker]):
            return await self._run(prompt, parse)

    async def _run(self, prompt: Prompt, parse: Callable[[str], T]) -> Answer[T]:
        invalid = 0
        while True:
            ticket = await self._leave()
            try:
                return await self._attempt(ticket, prompt, partial(self._understood, parse, invalid))
            except InvalidOutputError as error:
                if self._is_last_try(invalid):
                    raise
                invalid += 1
                prompt = replace(prompt, complaint=complaint(error))
            except LLMError as error:
                await self._pause_after(error)

    def _understood(self, parse: Callable[[str], T], invalid: int, text: str) -> T:
        if isinstance(parse, LenientAtLast) and self._is_last_try(invalid):
            parse = parse.at_last
        return parse(text)

    def _is_last_try(self, invalid: int) -> bool:
        """Whether nobody asks again, where the answer that came after so many invalid ones is invalid, too."""
        return invalid + 1 >= self.policy.output_tries or self.countdown.remaining() <= 0

    def is_to_blame(self) -> bool:
        """Whether its failures are its own, going by how others fared from its first one to the latest answer."""
        own = self._failures_before_answer
        if not own:
            return False
        others_failed = self.breaker.failures_before_answer - self._failures_at_first - own
        answered = self.breaker.answers - self._answers_at_first
        share = (others_failed + 1) / (others_failed + answered + 2)  # Laplace's rule of succession
        return share**own <= CHANCE

    def _input(self) -> tuple[str, str]:
        return input_of(self.invocation)

    async def _leave(self) -> Ticket:
        while True:
            ticket = await self._admitted()
            if not ticket.held:
                return ticket
            # All who were held are let go at once: spread them a little, and none comes sooner than it was told to.
            told = min(self._not_before - self.countdown.clock(), self.countdown.remaining())
            await self.sleep(max(told, self.random() * self.policy.base_seconds))

    async def _admitted(self) -> Ticket:
        if self.ticket is not None:
            ticket, self.ticket = self.ticket, None
            return ticket
        if self.may_leave and self.breaker.is_open and not self.breaker.probe_is_due:
            raise _down()
        return await self.breaker.admit(fresh=not self._failures)

    async def _attempt(self, ticket: Ticket, prompt: Prompt, parse: Callable[[str], T]) -> Answer[T]:
        self.attempts += 1
        attempt = Attempt(self.invocation, next(self.numbers), prompt.version)
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
        breaker = self.breaker
        if not self._failures:
            self._answers_at_first, self._failures_at_first = breaker.answers, breaker.failures
        elif breaker.answers > self._answers_at_latest:
            self._failures_before_answer = self._failures
        self._answers_at_latest = breaker.answers
        self._failures += 1
        if not isinstance(error, ProviderMisconfiguredError):
            self._refusals = 0
        else:
            self._refused_since = self._refused_since if self._refusals else self.countdown.clock()
            self._refusals += 1
        breaker.failed(ticket, error, alone=self.is_to_blame(), caller=self._input())

    async def _pause_after(self, error: LLMError) -> None:
        """Wait as the policy says, or as long as the provider is down.

        Raises:
            FeedbackError: there is no point in another attempt.
        """
        self._stop_if_refused(error)
        if self.may_leave and self.breaker.is_open:
            raise _down()
        self._not_before = self.countdown.clock() + asked_to_wait(error)
        decision = decide(self.policy, error, self._failures, self.countdown.remaining(), self.random)
        if isinstance(decision, GiveUp):
            if not isinstance(decision.error, DeadlineExceededError) or self._is_out_of_time():
                raise decision.error from error
            if self.breaker.quiet_seconds() >= self.breaker.policy.span_seconds:
                self.breaker.trip(error)
                if self.may_leave:
                    raise _down() from error
            seconds = pause(self.policy, error, self._failures, self.random)
        else:
            seconds = decision.seconds
        # While the breaker is open, it sets the pace.
        await self.sleep(asked_to_wait(error) if self.breaker.is_open else seconds)

    def _is_out_of_time(self) -> bool:
        """Whether nothing is left, the time aside in which nobody was answered though others than the blamed tried."""
        return not self.breaker.is_open and self.countdown.remaining() + self.breaker.quiet_seconds() <= 0

    def _stop_if_refused(self, error: LLMError) -> None:
        if self._is_refused_alone():
            raise _refusal_of_this_alone(error) from error
        everyone = self.breaker.unusable
        if everyone is not None:
            single = everyone.http_status == _FORBIDDEN and self.breaker.refused_inputs == 1
            if single and self.breaker.answers:
                raise _refusal_of_this_alone(everyone) from everyone
            raise _down() if self.may_leave else ProviderUnusableError(everyone.message) from everyone

    def _is_refused_alone(self) -> bool:
        """Whether this invocation was refused as often, and for as long, as would stop the worker, others answered."""
        policy = self.breaker.policy
        for_long = self.countdown.clock() - self._refused_since >= policy.refusal_seconds
        often = self._refusals >= policy.failures and for_long
        return often and not self.breaker.is_open and self.is_to_blame()


def input_of(invocation: Invocation) -> tuple[str, str]:
    """The same for all invocations of one input: what is refused of one may be refused of them all."""
    return invocation.tenant_id, invocation.record_id or invocation.request_id or str(invocation.invocation_id)


def _down() -> ModelDownError:
    return ModelDownError("The model is down.")


def _refusal_of_this_alone(error: LLMError) -> ProviderRefusedError:
    status = "" if error.http_status is None else f" ({error.http_status})"
    message = f"The provider refused this request{status}, time and again, while it answered others."
    return ProviderRefusedError(message, http_status=error.http_status)


def complaint(error: InvalidOutputError) -> str:
    """What the model is told before its second try; our own words only."""
    return f"Your answer could not be used. {error.message} Answer again, with the JSON object alone, as asked above."
