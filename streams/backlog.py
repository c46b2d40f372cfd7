"""What was fetched and not yet pulled: the agents' buffers, bounded together."""

import asyncio
from typing import Any

STOPPED_CHECK_SECONDS = 1.0


class Buffer:
    """One agent's buffer, as the engine's source of inputs."""

    def __init__(self, backlog: "Backlog", queue: Any) -> None:
        self._backlog = backlog
        self._queue = queue
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        size: int = self._queue.qsize()
        return size

    async def filled(self) -> None:
        """Return when there is a message to take."""
        while self._queue.empty():
            self._filled.clear()
            await self._filled.wait()

    def take(self) -> Any | None:
        """The next message; None where a rebalance has emptied the buffer meanwhile."""
        if self._queue.empty():
            return None
        message = self._queue.get_nowait()
        self._backlog.taken()
        return message

    def look(self) -> None:
        """Wake who waits for a message, if there is one."""
        if not self._filled.is_set() and not self._queue.empty():
            self._filled.set()


class Backlog:
    """Tells the pump when to fetch again, and the engine when there is something to take.

    Args:
        low_mark: fetch when so many messages, or fewer, are left; a fetch brings a bounded number more.
    """

    def __init__(self, low_mark: int) -> None:
        self._low_mark = low_mark
        self._buffers: list[Buffer] = []
        self._is_low = asyncio.Event()

    def add(self, queue: Any) -> Buffer:
        """Count an agent's buffer in."""
        self._buffers.append(Buffer(self, queue))
        return self._buffers[-1]

    def arrived(self) -> None:
        """A message was put into one of the buffers."""
        for buffer in self._buffers:
            buffer.look()

    def taken(self) -> None:
        """A message was taken out of one."""
        if not self._is_low.is_set() and self._size() <= self._low_mark:
            self._is_low.set()

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
        return sum(len(buffer) for buffer in self._buffers)
