"""What was fetched and not yet pulled: the agents' buffers, bounded together."""

import asyncio
from typing import Any

STOPPED_CHECK_SECONDS = 1.0


class Backlog:
    """Tells the pump when to fetch again.

    Args:
        low_mark: fetch when so many messages, or fewer, are left; a fetch brings a bounded number more.
    """

    def __init__(self, low_mark: int) -> None:
        self._low_mark = low_mark
        self._queues: list[Any] = []
        self._is_low = asyncio.Event()

    def add(self, queue: Any) -> None:
        """Count an agent's buffer in."""
        self._queues.append(queue)

    async def pull(self, queue: Any) -> Any:
        """The next message of one buffer."""
        message = await queue.get() if queue.empty() else queue.get_nowait()
        if not self._is_low.is_set() and self._size() <= self._low_mark:
            self._is_low.set()
        return message

    async def low(self) -> None:
        """Return when little is left, and now and then otherwise: a rebalance empties the buffers without a pull."""
        if self._size() <= self._low_mark:
            return
        self._is_low.clear()
        try:
            async with asyncio.timeout(STOPPED_CHECK_SECONDS):
                await self._is_low.wait()
        except TimeoutError:
            return

    def _size(self) -> int:
        return sum(queue.qsize() for queue in self._queues)
