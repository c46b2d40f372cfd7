"""When a provider is down for everyone: hold all calls, probe, and let no input pay for it.

The breaker cannot see whether a provider is down or an input is poison; it can see whether others are answered
meanwhile. So failures count against the provider only while nobody is answered: the count starts anew with each answer
to anyone, and leaves out those of an invocation that is itself to blame (`Conversation.is_to_blame`).

A provider is unusable, and the worker stops, when nothing came but refusals of ours (a wrong key, an unknown model)
since the last answer to anyone: at least `failures` of them, over `refusal_seconds`, to two inputs; or to one, where no
other is at work.
"""

import asyncio
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from domain.errors import LLMError, ProviderMisconfiguredError
from domain.llm.breaker_policy import BreakerPolicy
from domain.llm.retry import asked_to_wait
from domain.llm.spans import Span
from domain.llm.streak import Streak

__all__ = ["BreakerPolicy", "CircuitBreaker", "Ticket"]

CallLater = Callable[[float, Callable[[], None]], asyncio.Handle]
logger = logging.getLogger(__name__)

INPUTS_WHILE_OPEN = 2
ANOTHER_INPUT_SECONDS = 900.0
"""While open, one more input is let in each time so many seconds have passed: those at work may all be poison."""
_REMEMBERED_OUTAGES = 1000


@dataclass(eq=False, slots=True)
class Ticket:
    """Leave to make one attempt. Give it back with `answered`, `failed` or `abandoned`.

    Attributes:
        probe: whether it is the one attempt allowed while the breaker is open.
        held: whether its owner was held back by an outage that is over now.
        began: when it was given, on the breaker's clock; None = not known.
    """

    probe: bool = False
    held: bool = False
    began: float | None = None


class CircuitBreaker:
    """Closed: everyone may call. Open: one at a time, after a growing pause, in turn; an answer closes it.

    One per worker, used from one event loop.
    """

    def __init__(
        self,
        policy: BreakerPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        call_later: CallLater | None = None,
    ) -> None:
        """Closed at first. `clock` counts seconds; `call_later` is the running event loop's by default."""
        self._policy = policy or BreakerPolicy()
        self._clock = clock
        self._call_later = call_later
        self._streak = Streak()
        self._answers = self._failures = self._failures_before_answer = 0
        self._answered_at = -math.inf
        self._at_work: Counter[Hashable] = Counter()
        self._open = self._probing = False
        self._opened_at = self._down_since = 0.0
        self._crowd: int | None = None
        self._outages: deque[Span] = deque(maxlen=_REMEMBERED_OUTAGES)
        self._pause = self._next_probe = 0.0
        self._waiting: deque[asyncio.Future[Ticket]] = deque()
        self._timer: asyncio.Handle | None = None
        self._watchers: list[Callable[[], None]] = []

    @property
    def is_open(self) -> bool:
        """Whether the provider is taken to be down."""
        return self._open

    @property
    def state(self) -> Literal["closed", "open", "half_open"]:
        """For people who watch; half open: the provider is taken to be down, and a probe is under way."""
        return "closed" if not self._open else "half_open" if self._probing else "open"

    @property
    def probe_is_due(self) -> bool:
        """Whether who asks for leave now would make a probe, without a wait."""
        return self._open and not self._probing and self._clock() >= self._next_probe

    @property
    def answers(self) -> int:
        """How many attempts, of anyone, the provider has answered."""
        return self._answers

    @property
    def failures(self) -> int:
        """How many attempts, of anyone, failed."""
        return self._failures

    @property
    def failures_before_answer(self) -> int:
        """How many of them had failed when the provider last answered anyone."""
        return self._failures_before_answer

    @property
    def policy(self) -> BreakerPolicy:
        """When it opens."""
        return self._policy

    @property
    def unusable(self) -> ProviderMisconfiguredError | None:
        """The latest refusal, where it is sure that the provider refuses everyone (see the top of this module)."""
        streak = self._streak
        often = self._open and streak.refusals >= self._policy.failures
        if not often or self._clock() - streak.refused_since < self._policy.refusal_seconds:
            return None
        return streak.latest if self.refused_inputs > 1 or len(self._at_work) <= 1 else None

    @property
    def refused_inputs(self) -> int:
        """How many inputs were refused by the latest refusals in a row."""
        return len(self._streak.refused)

    def outages(self, since: float = -math.inf) -> list[Span]:
        """When, after `since` (on this clock), the provider was down: from its last sign of life each time, to now."""
        found = [(self._down_since, self._clock())] if self._open else []
        found += takewhile(lambda outage: outage[1] > since, reversed(self._outages))
        return [(max(began, since), ended) for began, ended in reversed(found) if ended > since]

    def quiet_seconds(self) -> float:
        """How long nobody has been answered, though it was tried: an outage, should the breaker open now."""
        return 0.0 if self._streak.since is None else self._clock() - self._streak.since

    def may_pull(self, in_flight: int) -> bool:
        """Whether another input may be read while `in_flight` are at work."""
        if not self._open:
            return True
        if self._crowd is None:
            self._crowd = max(in_flight, INPUTS_WHILE_OPEN)
        more = int((self._clock() - self._opened_at) // ANOTHER_INPUT_SECONDS)
        return in_flight < INPUTS_WHILE_OPEN or (more > 0 and in_flight < self._crowd + more)

    @contextmanager
    def at_work(self, caller: Hashable) -> Iterator[None]:
        """The input `caller` has an invocation at work."""
        self._at_work[caller] += 1
        try:
            yield
        finally:
            self._at_work[caller] -= 1
            if not self._at_work[caller]:
                del self._at_work[caller]

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever the breaker has opened or closed."""
        self._watchers.append(changed)

    async def admit(self, *, fresh: bool = False) -> Ticket:
        """Wait for leave to make an attempt: at once while closed, in turn while open.

        Args:
            fresh: the invocation has not failed yet: its turn comes before theirs that have.
        """
        if not self._open:
            return Ticket(began=self._clock())
        place: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if fresh else self._waiting.append)(place)
        self._plan()
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.abandoned(place.result())
            raise

    def answered(self, ticket: Ticket) -> None:
        """The attempt brought an answer, good or bad: the provider is up."""
        self._answers += 1
        self._failures_before_answer = self._failures
        self._answered_at = self._clock()
        self._streak = Streak()
        if ticket.probe:
            self._probing = False
        if self._open:
            self._close()

    def failed(self, ticket: Ticket, error: LLMError, *, alone: bool = False, caller: Hashable = None) -> None:
        """The attempt failed, and another may succeed.

        Args:
            ticket: the leave that it was made with.
            error: what it failed with; a 429 with a Retry-After says that the provider is up.
            alone: this invocation is to blame, not the provider.
            caller: the input that it was made for.
        """
        self._failures += 1
        if ticket.probe or not alone:
            self._count(ticket, error, caller)
        if ticket.probe:
            self._probing = False
            self._pause = min(self._pause * 2, self._policy.last_probe_seconds)
            self._schedule_probe(error)
            self._tell()  # by now there may be room for another input
        elif self._streak.failures >= self._policy.failures and self._lasts() >= self._policy.span_seconds:
            self.trip(error)

    def abandoned(self, ticket: Ticket) -> None:
        """The attempt was cancelled, or failed for a reason of ours: nothing is known of the provider."""
        if ticket.probe:
            self._probing = False
            self._plan()

    def trip(self, error: LLMError) -> None:
        """Open now, where it is not open yet: an invocation is out of time, and nobody has been answered."""
        if self._open:
            return
        self._open = True
        self._opened_at = self._clock()
        self._crowd = None
        self._down_since = self._opened_at - self.quiet_seconds()
        self._pause = self._policy.first_probe_seconds
        self._schedule_probe(error)
        logger.warning(
            "The provider does not answer anyone (%s: %s). Reading of input stops; probing until it answers.",
            type(error).__name__,
            error.message,
        )
        self._tell()

    def _lasts(self) -> float:
        return 0.0 if self._streak.since is None else self._clock() - self._streak.first

    def _count(self, ticket: Ticket, error: LLMError, caller: Hashable) -> None:
        now = self._clock()
        began = max(self._answered_at, now if ticket.began is None else ticket.began)
        self._streak.count(error, began, now, caller)

    def _close(self) -> None:
        logger.warning("The provider answers again after %.0f seconds.", self._clock() - self._down_since)
        self._outages.append((self._down_since, self._clock()))
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(Ticket(held=True, began=self._clock()))
        self._tell()

    def _schedule_probe(self, error: LLMError) -> None:
        self._next_probe = self._clock() + max(self._pause, asked_to_wait(error))
        self._plan()

    def _plan(self) -> None:
        """See to it that the next in line is let through when it is time for a probe."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._open or self._probing or not self._waiting:
            return
        pause = self._next_probe - self._clock()
        if pause <= 0:
            self._let_one_through()
        else:
            self._timer = (self._call_later or asyncio.get_running_loop().call_later)(pause, self._plan)

    def _let_one_through(self) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                self._probing = True
                place.set_result(Ticket(probe=True, began=self._clock()))
                return

    def _tell(self) -> None:
        for changed in self._watchers:
            changed()
