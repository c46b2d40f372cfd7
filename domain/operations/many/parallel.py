"""Doing many things, a bounded number at a time; what is not begun takes no memory."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from domain.concurrency import together

T = TypeVar("T")


async def in_parallel(work: Iterable[Callable[[], Awaitable[T]]], at_once: int) -> list[T]:
    """What each came to, in their order. When one raises, or on cancellation, the others are cancelled and awaited.

    Raises:
        BaseException: what one raised, of several the one that halts the worker.
    """
    waiting = enumerate(work)
    outcomes: dict[int, T] = {}

    async def worker() -> None:
        for number, one in waiting:
            outcomes[number] = await one()

    await together([worker() for _ in range(at_once)])
    return [outcomes[number] for number in sorted(outcomes)]
