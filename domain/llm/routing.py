"""Which models may answer an operation, in which order, and whether any of them can now.

A model has one circuit breaker, whichever operations it serves. The next one in line is asked where one is down (its
breaker is open, and it is not time for a probe) or refuses this request.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from domain.llm.breaker import CircuitBreaker
from domain.llm.calls import Prompt
from domain.llm.conversation import RecordedModel
from domain.llm.tokens import needed

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, slots=True)
class Route:
    """A model, and what is known of its being up.

    Attributes:
        context_tokens: what it takes, prompt and answer together; None: whatever comes.
    """

    model: RecordedModel
    breaker: CircuitBreaker
    context_tokens: int | None = None

    def holds(self, prompt: Prompt) -> bool:
        """Whether the prompt fits the model, with the longest answer to it."""
        return self.context_tokens is None or needed(prompt) <= self.context_tokens


class Routing:
    """The routes of each operation; fulfils `domain.delivery.places.Gate` for all of them together."""

    def __init__(
        self, first: Route, fallback: Route | None = None, by_operation: Mapping[str, Route] | None = None
    ) -> None:
        """`first` serves what `by_operation` does not name; `fallback` comes after either."""
        self._fallback = fallback
        self._first = first
        self._by_operation = dict(by_operation or {})
        self._told: set[Route] = set()
        leading = dict.fromkeys((first, *self._by_operation.values()))
        self._chains = [self._chain(route) for route in leading]

    @classmethod
    def of_one(
        cls, model: RecordedModel, breaker: CircuitBreaker | None = None, context_tokens: int | None = None
    ) -> "Routing":
        """One model that answers everything; see `Route`."""
        return cls(Route(model, breaker or CircuitBreaker(), context_tokens))

    def of(self, operation: str) -> Sequence[Route]:
        """The operation's routes, the one to ask first in front; at least one."""
        return self._chain(self._by_operation.get(operation, self._first))

    @property
    def routes(self) -> Sequence[Route]:
        """All of them, each once."""
        return tuple(dict.fromkeys(route for chain in self._chains for route in chain))

    @property
    def is_open(self) -> bool:
        """Whether nobody answers some operation."""
        return any(all(route.breaker.is_open for route in chain) for chain in self._chains)

    def may_pull(self, in_flight: int) -> bool:
        """Whether another input may be read while `in_flight` are at work: whatever it asks, somebody can be asked."""
        return all(any(route.breaker.may_pull(in_flight) for route in chain) for chain in self._chains)

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever a breaker has opened or closed."""
        for route in self.routes:
            route.breaker.watch(changed)

    def passed_over(self, route: Route) -> None:
        """A route was left for the next one. Where it refuses everyone (a wrong key), that is said, once a spell."""
        refusal = route.breaker.unusable
        if refusal is None or route in self._told:
            return
        self._told.add(route)
        logger.error(
            "The model %s refuses every request (%s) Another model answers in its place; mend its key or its name.",
            route.model.name,
            refusal.message,
        )

    def answered(self, route: Route) -> None:
        """A route answered: should it refuse everyone again, that is worth saying again."""
        self._told.discard(route)

    def _chain(self, first: Route) -> tuple[Route, ...]:
        return (first,) if self._fallback in (None, first) else (first, self._fallback)
