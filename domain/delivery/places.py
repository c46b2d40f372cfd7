"""How many inputs are at work at once, and when another may be read."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

_LEAST_SPARE = 32


def places(slots: int) -> int:
    """How many inputs are at work at most: those that ask the model, and others whose outcome is on its way to Kafka.

    Args:
        slots: LLM conversations at a time, MAX_IN_FLIGHT.
    """
    return slots + max(_LEAST_SPARE, slots // 4)


class Gate(Protocol):
    """Knows whether there is any use in reading another input: a circuit breaker, or several models' together."""

    @property
    def is_open(self) -> bool:
        """Whether nobody answers."""
        ...

    def may_pull(self, in_flight: int) -> bool:
        """Whether another input may be read while `in_flight` are at work."""
        ...

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever that may have changed."""
        ...


class Memory(Protocol):
    """Knows what is held by inputs that wait for others."""

    @property
    def is_short(self) -> bool:
        """Whether it is better to wait with the next input until some are done, which needs no other input."""
        ...

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever there may be more again."""
        ...


class Places:
    """Counts the inputs at work; one that only waits for its framework has no place.

    `slots` bounds the conversations with the model. There are some more places than slots, for inputs whose outcome is
    on its way to Kafka.
    """

    def __init__(self, slots: int, breaker: Gate, memory: Memory | None = None) -> None:
        self._places = places(slots)
        self._breaker = breaker
        self._memory = memory
        self._taken = 0
        self._changed = asyncio.Event()
        self._let_in = 0
        self.slots = asyncio.Semaphore(slots)
        breaker.watch(self._changed.set)
        if memory is not None:
            memory.watch(self._changed.set)

    async def free(self) -> None:
        """Return when a place is free, memory is not short, and the breaker lets another input in."""
        any_may_hold = self._memory is not None and self._let_in
        if any_may_hold or self._breaker.is_open or self._taken + self._let_in >= self._places:
            await asyncio.sleep(0)  # those let in have their tasks, and take their places and memory now
            self._let_in = 0
        while self._taken >= self._places or not self._breaker.may_pull(self._taken) or self._memory_is_short():
            self._changed.clear()
            await self._changed.wait()
        self._let_in += 1

    @contextmanager
    def occupy(self) -> Iterator["Place"]:
        """A place for one input, given back in the end whatever happened."""
        place = Place(self._count)
        try:
            yield place
        finally:
            place.leave()

    def _memory_is_short(self) -> bool:
        """An open breaker has the say: those at work may all be poison, and end only when another input is answered."""
        return self._memory is not None and self._memory.is_short and not self._breaker.is_open

    def _count(self, difference: int) -> None:
        self._taken += difference
        self._changed.set()


class Place:
    """One input's place: taken as long as any part of its work is neither waiting nor done."""

    __slots__ = ("_count", "_parts")

    def __init__(self, count: Callable[[int], None]) -> None:
        self._count = count
        self._parts: set[str] = set()

    def begin(self, part: str) -> None:
        """A part of the work begins, or goes on; twice is as good as once."""
        if not self._parts:
            self._count(1)
        self._parts.add(part)

    def end(self, part: str) -> None:
        """A part has nothing more to ask of a model; twice is as good as once."""
        if part in self._parts:
            self._parts.remove(part)
            if not self._parts:
                self._count(-1)

    def leave(self) -> None:
        """Nothing of the input is at work any more."""
        for part in list(self._parts):
            self.end(part)
