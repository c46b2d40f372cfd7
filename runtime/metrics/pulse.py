"""How an event loop fares: how late it is, and how many tasks it has."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

BEAT_SECONDS = 0.5
BEATS = 60


class Pulse:
    """Beats on the running event loop; asked from any thread, also while the loop stands still."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Call it on the event loop. `clock` counts seconds."""
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._due = clock() + BEAT_SECONDS
        self._late: deque[float] = deque(maxlen=BEATS)

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self._due = self._clock() + BEAT_SECONDS
            await asyncio.sleep(BEAT_SECONDS)
            self._late.append(max(0.0, self._clock() - self._due))

    @property
    def lag_seconds(self) -> float:
        """By how much the loop was late at most, in the last half minute, the present moment included."""
        return max(0.0, self._clock() - self._due, *tuple(self._late))

    @property
    def tasks(self) -> int:
        """Tasks that are not done."""
        return len(asyncio.all_tasks(self._loop))
