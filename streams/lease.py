"""Whether this worker may still take its partitions for its own.

Kafka gives a member's partitions to others when it has not heard of it for a session. Who was stopped for longer (a
frozen machine, a SIGSTOP) would go on with what it had fetched, and pay for answers that others give as well, until a
heartbeat tells it. So it looks at the clock first: it takes up no further input once a session has passed since the
last heartbeat that was answered, and waits for the next one.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

LOOK_SECONDS = 0.1


class Lease:
    """Renewed by the thread where heartbeats go out, looked at by the event loop.

    Args:
        seconds: the session's length.
        clock: in seconds; it must go on while this process stands still.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._since = clock()

    def renew(self, since: float | None = None) -> None:
        """Kafka knows this member: it got a message that was sent at `since` (now by default)."""
        self._since = max(self._since, self._clock() if since is None else since)

    @property
    def holds(self) -> bool:
        """Whether no session has passed."""
        return self._clock() - self._since < self._seconds

    async def held(self) -> None:
        """Return once it holds."""
        while not self.holds:  # noqa: ASYNC110 - seldom, and renewed by another thread
            await asyncio.sleep(LOOK_SECONDS)

    def watch(self, coordinator: Any) -> None:
        """Renew it with each heartbeat of aiokafka's coordinator that Kafka answers."""
        beat = coordinator._do_heartbeat

        async def noted() -> bool:
            sent = self._clock()
            known: bool = await beat()
            if known:
                self.renew(sent)
            return known

        coordinator._do_heartbeat = noted
