"""How long a job waits where nothing comes any more, and how often it asks where it is not answered."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

from domain.errors import UsageUnavailableError

T = TypeVar("T")
Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]

ANSWER_WITHIN_SECONDS = 20.0
"""How long a database that is away is asked again for what only it knows, once the job itself is over."""

_ASK_EVERY_SECONDS = 0.5


class Patience:
    """Runs out when the same state was seen for so many seconds.

    Args:
        seconds: how long; 0: it never runs out.
        clock: seconds that only ever grow.
    """

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._state: Hashable = None
        self._since = clock()

    def left(self, state: Hashable) -> float | None:
        """The seconds that are left, now that the state is this one; None: it never runs out."""
        now = self._clock()
        if state != self._state:
            self._state, self._since = state, now
        return max(0.0, self._seconds - (now - self._since)) if self._seconds > 0 else None

    def is_over(self, state: Hashable) -> bool:
        """Whether it is over, now that the state is this one."""
        return self.left(state) == 0


async def answered(
    ask: Callable[[], Awaitable[T]],
    within: float = ANSWER_WITHIN_SECONDS,
    *,
    clock: Clock = time.monotonic,
    sleep: Sleep = asyncio.sleep,
) -> T:
    """What `ask` answers, asked at least once, and again while the database is away, for so many seconds.

    Raises:
        UsageUnavailableError: it stayed away.
    """
    until = clock() + within
    while True:
        try:
            return await ask()
        except UsageUnavailableError:
            if clock() >= until:
                raise
        await sleep(_ASK_EVERY_SECONDS)  # an outage's end is no event that could be awaited
