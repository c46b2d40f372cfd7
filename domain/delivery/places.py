"""How many inputs are at work at once, and when another may be read."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from domain.llm.breaker import CircuitBreaker


class Places:
    """Counts the inputs at work. An input that only waits for its framework has no place."""

    def __init__(self, places: int, breaker: CircuitBreaker) -> None:
        self._places = places
        self._breaker = breaker
        self._taken = 0
        self._changed = asyncio.Event()
        self.slots = asyncio.Semaphore(places)
        breaker.watch(self._changed.set)

    @property
    def taken(self) -> int:
        """Inputs at work now."""
        return self._taken

    async def free(self) -> None:
        """Return when a place is free and the breaker lets another input in."""
        if self._breaker.is_open or self._taken + 1 >= self._places:
            await asyncio.sleep(0)  # the input read last has its task, but may not have taken its place yet
        while self._taken >= self._places or not self._breaker.may_pull(self._taken):
            self._changed.clear()
            await self._changed.wait()

    @contextmanager
    def occupy(self) -> Iterator["Place"]:
        """A place for one input."""
        place = Place(self)
        place.work()
        try:
            yield place
        finally:
            place.rest()

    def _count(self, difference: int) -> None:
        self._taken += difference
        self._changed.set()


class Place:
    """One input's place: taken as long as any branch of its work is not waiting."""

    __slots__ = ("_branches", "_places")

    def __init__(self, places: Places) -> None:
        self._places = places
        self._branches = 0

    def work(self) -> None:
        """A branch goes to work."""
        self._branches += 1
        if self._branches == 1:
            self._places._count(1)

    def rest(self) -> None:
        """A branch waits, or is done."""
        self._branches -= 1
        if self._branches == 0:
            self._places._count(-1)
