"""What a kind of inputs asks for: the one thing in which the handlers of different topics differ."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from domain.delivery.job import Job
from domain.operations.work import Work
from schemas.operations import Operation


@asynccontextmanager
async def _alone() -> AsyncIterator[bool]:
    yield True


@dataclass(frozen=True, slots=True)
class Assignment:
    """One operation that an input asks for.

    Attributes:
        operation: which.
        work: makes ready what is to be done, or refuses the input; None: another input's outcome stands for this one's,
            and has been published.
        waits: whether that may take long, for a framework or for the other parts of a request: meanwhile the input has
            no place among those at work.
        around: lasts from before the work until its outcome was published, or the input given up: it may wait for the
            other parts of a request, and gives False where one of these does the work for all, and has done it.
    """

    operation: Operation
    work: Callable[[], Awaitable[Work | None]]
    waits: bool = False
    around: Callable[[], AbstractAsyncContextManager[bool]] = _alone


class Inputs(Protocol):
    """Understands the messages of some topics."""

    async def read(self, job: Job) -> None:
        """Read the message: set the job's `event`.

        Raises:
            InputError: it is none that could be answered.
        """
        ...

    def assignments(self, job: Job) -> Sequence[Assignment]:
        """What the input asks for, once it was read: none, where nothing is to be done."""
        ...
