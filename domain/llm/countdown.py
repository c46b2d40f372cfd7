"""How much time an invocation has left, whichever models it asks, and however many questions at once."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce

from domain.llm.breaker import CircuitBreaker
from domain.llm.spans import Span, common, length, union


@dataclass(frozen=True, eq=False, slots=True)
class _Wait:
    """A question that any of these may answer, since it was put."""

    breakers: Sequence[CircuitBreaker]
    since: float

    def lost(self) -> list[Span]:
        """When all of them were down."""
        return reduce(common, (breaker.outages(self.since) for breaker in self.breakers))


@dataclass(slots=True)
class Countdown:
    """The time of one invocation, shared by all of its questions.

    It stands still while there is a question of it that nobody can answer: all models that may are down, or the one
    that is being asked turns out to have been. An outage is known some time after it began; time that was lost until
    then is given back. What several questions lose at once is lost once.

    Attributes:
        seconds: how much there is in all.
        clock: counts seconds, the same as the breakers'.
        began: when it began; None: it has not.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    began: float | None = None
    _waits: list[_Wait] = field(default_factory=list)
    _lost: list[Span] = field(default_factory=list)

    def begin(self) -> None:
        """It begins now, where it has not yet."""
        if self.began is None:
            self.began = self.clock()

    def remaining(self) -> float:
        """Seconds that are left; 0 or less: none."""
        if self.began is None:
            return self.seconds
        now = self.clock()
        lost = length(common(self._all_lost(), [(self.began, now)]))
        return self.seconds - max(0.0, now - self.began - lost)

    @contextmanager
    def answered_by(self, breakers: Iterable[CircuitBreaker]) -> Iterator[None]:
        """While this lasts there is a question that any of these models may answer, and no other."""
        wait = _Wait(tuple(breakers), self.clock())
        self._waits.append(wait)
        try:
            yield
        finally:
            self._waits.remove(wait)
            self._lost = union((*self._lost, *wait.lost()))

    def share(self, other: "Countdown") -> None:
        """The questions of the other one were of this one, too."""
        self.began = min((began for began in (self.began, other.began) if began is not None), default=None)
        self._lost = union((*self._lost, *other._all_lost()))

    def _all_lost(self) -> list[Span]:
        return [*self._lost, *(span for wait in self._waits for span in wait.lost())]
