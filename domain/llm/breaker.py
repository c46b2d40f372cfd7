"""When a provider is down for everyone: hold all calls, probe, and let no input pay for it.

The breaker cannot see whether a provider is down or an input is poison; it can see whether others are answered
meanwhile. So a failure counts against the provider only while nobody has been answered since the failing invocation's
first failure; and the breaker opens again and again only on such failures.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from domain.errors import LLMError, ProviderMisconfiguredError, RateLimitedError
from domain.llm.retry import asked_to_wait

CallLater = Callable[[float, Callable[[], None]], asyncio.Handle]
logger = logging.getLogger(__name__)

LONGEST_RETRY_AFTER = 300.0
INPUTS_WHILE_OPEN = 2


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When to open, and how often to probe.

    Attributes:
        failures: open after so many failures in a row, of anyone, with no answer to anyone between them,
        span_seconds: the last of them at least this long after the first.
        first_probe_seconds, last_probe_seconds: pause before a probe; doubled with each that fails, up to the last.
    """

    failures: int = 5
    span_seconds: float = 2.0
    first_probe_seconds: float = 1.0
    last_probe_seconds: float = 30.0


@dataclass(eq=False, slots=True)
class Ticket:
    """Leave to make one attempt. Give it back with `answered`, `failed` or `abandoned`.

    Attributes:
        probe: whether it is the one attempt allowed while the breaker is open.
        held: whether its owner was held back by an outage that is over now.
    """

    probe: bool = False
    held: bool = False


@dataclass(eq=False, slots=True)
class _Streak:
    """Failures in a row that count against the provider."""

    began: float | None = None
    failures: int = 0
    misconfigured: int = 0
    latest: ProviderMisconfiguredError | None = field(default=None, repr=False)


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
        self._streak = _Streak()
        self._answers = 0
        self._open = False
        self._down_since = 0.0
        self._downtime = 0.0
        self._pause = 0.0
        self._next_probe = 0.0
        self._probing = False
        self._waiting: deque[asyncio.Future[Ticket]] = deque()
        self._timer: asyncio.Handle | None = None
        self._watchers: list[Callable[[], None]] = []

    @property
    def is_open(self) -> bool:
        """Whether the provider is taken to be down."""
        return self._open

    @property
    def answers(self) -> int:
        """How many attempts, of anyone, the provider has answered."""
        return self._answers

    @property
    def unusable(self) -> ProviderMisconfiguredError | None:
        """The latest failure, where the breaker is open and as many as open it were all a wrong key or model."""
        streak = self._streak
        only_these = streak.misconfigured >= min(self._policy.failures, streak.failures)
        return streak.latest if self._open and only_these else None

    def downtime(self) -> float:
        """Seconds that the provider was down in all, from the first failure of each outage; never falls."""
        return self._downtime + (max(0.0, self._clock() - self._down_since) if self._open else 0.0)

    def may_pull(self, in_flight: int) -> bool:
        """Whether another input may be read while `in_flight` are at work."""
        return not self._open or in_flight < INPUTS_WHILE_OPEN

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever the breaker has opened or closed."""
        self._watchers.append(changed)

    async def admit(self) -> Ticket:
        """Wait for leave to make an attempt: at once while closed, in turn while open."""
        if not self._open:
            return Ticket()
        place: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
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
        self._streak = _Streak()
        if ticket.probe:
            self._probing = False
        if self._open:
            self._close()

    def failed(self, ticket: Ticket, error: LLMError, *, alone: bool = False) -> None:
        """The attempt failed, and another may succeed.

        Args:
            ticket: the leave that it was made with.
            error: what it failed with; a 429 with a Retry-After says that the provider is up.
            alone: others were answered since this invocation's first failure: the provider is not to blame.
        """
        if ticket.probe or not alone:
            self._count(error)
        if ticket.probe:
            self._probing = False
            self._pause = min(self._pause * 2, self._policy.last_probe_seconds)
            self._schedule_probe(error)
        elif self._streak.failures >= self._policy.failures and self._streak_lasts() >= self._policy.span_seconds:
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
        self._down_since = self._clock() - self._streak_lasts()
        self._pause = self._policy.first_probe_seconds
        self._schedule_probe(error)
        logger.warning(
            "The provider does not answer anyone (%s: %s). Reading of input stops; probing until it answers.",
            type(error).__name__,
            error.message,
        )
        self._tell()

    def _streak_lasts(self) -> float:
        return 0.0 if self._streak.began is None else self._clock() - self._streak.began

    def _count(self, error: LLMError) -> None:
        streak = self._streak
        if streak.began is None:
            streak.began = self._clock()
        if isinstance(error, RateLimitedError) and error.retry_after is not None:
            return  # the provider is up, and says when to come back
        streak.failures += 1
        if isinstance(error, ProviderMisconfiguredError):
            streak.misconfigured += 1
            streak.latest = error
        else:
            streak.misconfigured = 0

    def _close(self) -> None:
        logger.warning("The provider answers again after %.0f seconds.", self._clock() - self._down_since)
        self._downtime = self.downtime()
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(Ticket(held=True))
        self._tell()

    def _schedule_probe(self, error: LLMError) -> None:
        asked = min(asked_to_wait(error), LONGEST_RETRY_AFTER)
        self._next_probe = self._clock() + max(self._pause, asked)
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
                place.set_result(Ticket(probe=True))
                return

    def _tell(self) -> None:
        for changed in self._watchers:
            changed()
