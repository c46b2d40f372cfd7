"""How long a job waits where nothing comes any more."""

import time
from collections.abc import Callable, Hashable


class Patience:
    """Runs out when the same state was seen for so many seconds.

    Args:
        seconds: how long; 0: it never runs out.
        clock: seconds that only ever grow.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._state: Hashable = None
        self._since = clock()

    def is_over(self, state: Hashable) -> bool:
        """Whether it is over, now that the state is this one."""
        now = self._clock()
        if state != self._state:
            self._state, self._since = state, now
        return 0 < self._seconds <= now - self._since
