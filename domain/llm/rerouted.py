"""A conversation with whichever of several models can answer."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

from domain.errors import FeedbackError, PermanentLLMError, ProviderUnusableError
from domain.llm.breaker import Ticket
from domain.llm.calls import Invocation, Prompt
from domain.llm.conversation import Answer, Conversation, ModelDownError, input_of
from domain.llm.countdown import Countdown
from domain.llm.routing import Route, Routing

T = TypeVar("T")


@dataclass(slots=True)
class ReroutedConversation:
    """The attempts of one invocation with one model or several, one after the other.

    While all of them are down it waits for the first that lets it in, with its clock standing still.

    Attributes:
        routes: whom to ask, in this order; at least one.
        start: begins a conversation with one of them.
        refusal: why others are not asked; None: there are no others.
        attempts: how many LLM calls were made here so far.
    """

    routes: Sequence[Route]
    routing: Routing
    invocation: Invocation
    start: Callable[[Route], Conversation]
    countdown: Countdown
    refusal: FeedbackError | None = None
    attempts: int = 0

    async def run(self, prompt: Prompt, parse: Callable[[str], T]) -> Answer[T]:
        """As `Conversation.run`.

        Raises:
            ProviderRefusedError: all of them refuse this request; the last one's.
            ProviderUnusableError: all of them refuse everyone. Where the last one does that others left this question
                to, it is what they left it for.
        """
        with ExitStack() as stack:
            for route in self.routes:
                stack.enter_context(route.breaker.at_work(input_of(self.invocation)))
            return await self._run(prompt, parse)

    async def _run(self, prompt: Prompt, parse: Callable[[str], T]) -> Answer[T]:
        left = list(self.routes)
        turns: list[tuple[Route, Ticket | None]] = [(route, None) for route in left]
        while len(left) > 1:
            if not turns:
                self._stop_if_unusable(left)
                turns.append(await self._first_to_admit(left))
            route, ticket = turns.pop(0)
            try:
                return await self._ask(route, prompt, parse, ticket, may_leave=True)
            except ModelDownError:
                self.routing.passed_over(route)
            except PermanentLLMError as error:
                self.refusal = error
                left.remove(route)
        return await self._of_the_last(left[0], prompt, parse)

    async def _of_the_last(self, route: Route, prompt: Prompt, parse: Callable[[str], T]) -> Answer[T]:
        """Ask the only one that has not refused this request."""
        try:
            return await self._ask(route, prompt, parse, None, may_leave=False)
        except ProviderUnusableError:
            if self.refusal is None:
                raise
            self.routing.passed_over(route)
        raise self.refusal

    async def _ask(
        self, route: Route, prompt: Prompt, parse: Callable[[str], T], ticket: Ticket | None, *, may_leave: bool
    ) -> Answer[T]:
        conversation = self.start(route)
        conversation.may_leave, conversation.ticket = may_leave, ticket
        try:
            answer = await conversation.run(prompt, parse)
        finally:
            self.attempts += conversation.attempts
        self.routing.answered(route)
        return answer

    def _stop_if_unusable(self, routes: Sequence[Route]) -> None:
        refusals = [route.breaker.unusable for route in routes]
        if refusals[-1] is not None and all(refusals):
            raise ProviderUnusableError(refusals[-1].message)

    async def _first_to_admit(self, routes: Sequence[Route]) -> tuple[Route, Ticket]:
        """Wait in line at all of them at once; whoever lets this invocation in first is asked."""
        waits = {asyncio.ensure_future(route.breaker.admit()): route for route in routes}
        chosen = None
        try:
            with self.countdown.answered_by(route.breaker for route in routes):
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            chosen = next(wait for wait in waits if wait.done())
            return waits[chosen], chosen.result()
        finally:
            for wait, route in waits.items():
                if wait is not chosen and not wait.cancel() and not wait.cancelled():
                    route.breaker.abandoned(wait.result())
