"""A conversation with whichever of several models can answer."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol, TypeVar

from domain.errors import PermanentLLMError, ProviderUnusableError
from domain.llm.breaker import Ticket
from domain.llm.calls import Invocation, Prompt
from domain.llm.conversation import Answer, Conversation, ModelDownError, input_of
from domain.llm.routing import Route, Routing

T = TypeVar("T")


class Time(Protocol):
    """The time of an invocation, over all of its models."""

    def lose(self, seconds: float) -> None:
        """So many seconds went by in which nobody could answer: they do not count."""
        ...


@dataclass(slots=True)
class ReroutedConversation:
    """The attempts of one invocation with several models, one after the other.

    While all of them are down it waits for the first that lets it in, with its clock standing still.

    Attributes:
        routes: whom to ask, in this order.
        start: begins a conversation with one of them, with what is left of the invocation's time.
        attempts: how many LLM calls were made here so far.
    """

    routes: Sequence[Route]
    routing: Routing
    invocation: Invocation
    start: Callable[[Route, Invocation], Conversation]
    time: Time
    clock: Callable[[], float]
    attempts: int = 0

    async def run(self, prompt: Prompt, parse: Callable[[str], T]) -> Answer[T]:
        """As `Conversation.run`.

        Raises:
            ProviderRefusedError: all of them refuse this request; the last one's.
            ProviderUnusableError: all of them refuse everyone.
        """
        with ExitStack() as stack:
            for route in self.routes:
                stack.enter_context(route.breaker.at_work(input_of(self.invocation)))
            return await self._run(prompt, parse)

    async def _run(self, prompt: Prompt, parse: Callable[[str], T]) -> Answer[T]:
        left = list(self.routes)
        refusal: PermanentLLMError | None = None
        turns: list[tuple[Route, Ticket | None]] = [(route, None) for route in left]
        while turns:
            route, ticket = turns.pop(0)
            try:
                return await self._ask(route, prompt, parse, ticket, may_leave=True)
            except ModelDownError:
                self.routing.passed_over(route)
            except PermanentLLMError as error:
                refusal = error
                left.remove(route)
            if len(left) == 1:
                break
            if not turns:
                self._stop_if_unusable(left)
                turns = [await self._first_to_admit(left)]
        return await self._of_the_last(left[0], prompt, parse, refusal)

    async def _of_the_last(
        self, route: Route, prompt: Prompt, parse: Callable[[str], T], refusal: PermanentLLMError | None
    ) -> Answer[T]:
        """Ask the only one that has not refused this request."""
        try:
            return await self._ask(route, prompt, parse, None, may_leave=False)
        except ProviderUnusableError:
            if refusal is None:
                raise
            self.routing.passed_over(route)
        raise refusal

    async def _ask(
        self, route: Route, prompt: Prompt, parse: Callable[[str], T], ticket: Ticket | None, *, may_leave: bool
    ) -> Answer[T]:
        began = self.clock()
        conversation = self.start(route, self.invocation)
        conversation.may_leave, conversation.ticket = may_leave, ticket
        try:
            answer = await conversation.run(prompt, parse)
        finally:
            self.attempts += conversation.attempts
            self.time.lose(route.breaker.downtime(began))
        self.routing.answered(route)
        return answer

    def _stop_if_unusable(self, routes: Sequence[Route]) -> None:
        refusals = [route.breaker.unusable for route in routes]
        if refusals[-1] is not None and all(refusals):
            raise ProviderUnusableError(refusals[-1].message)

    async def _first_to_admit(self, routes: Sequence[Route]) -> tuple[Route, Ticket]:
        """Wait in line at all of them at once; whoever lets this invocation in first is asked."""
        began = self.clock()
        waits = {asyncio.ensure_future(route.breaker.admit()): route for route in routes}
        chosen = None
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            chosen = next(wait for wait in waits if wait.done())
            return waits[chosen], chosen.result()
        finally:
            for wait, route in waits.items():
                if wait is not chosen and not wait.cancel() and not wait.cancelled():
                    route.breaker.abandoned(wait.result())
            self.time.lose(self.clock() - began)
