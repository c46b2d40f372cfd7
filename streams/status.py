"""Live figures of a worker, for logs and metrics."""

from collections.abc import Callable


class WorkerStatus:
    """What a worker is doing now. Read it at any time, from any thread; only the worker writes it.

    Attributes:
        finished: inputs answered since the start, repeats included.
        cancelled: inputs that were given up unfinished, to be delivered again.
        assigned: the partitions held, as `topic/number`, in order.
        rebalances: how often partitions were assigned.
        committed: the offsets committed, by `topic/number`.
        deleted_unread: messages that were deleted before they were read.
    """

    def __init__(self) -> None:
        self.finished = 0
        self.cancelled = 0
        self.assigned: tuple[str, ...] = ()
        self.rebalances = 0
        self.committed: dict[str, int] = {}
        self.deleted_unread = 0
        self._in_flight: Callable[[], int] = lambda: 0
        self._oldest: Callable[[], float | None] = lambda: None

    def __str__(self) -> str:
        age = self.oldest_unfinished_seconds
        oldest = "" if age is None else f", the oldest for {age:.0f} s"
        return (
            f"{self.in_flight} inputs in flight{oldest}; {self.finished} finished, {self.cancelled} given up, "
            f"{len(self.assigned)} partitions, {self.rebalances} rebalances"
        )

    def watch(self, in_flight: Callable[[], int], oldest: Callable[[], float | None]) -> None:
        """Take the figures that are asked for, not kept."""
        self._in_flight, self._oldest = in_flight, oldest

    @property
    def in_flight(self) -> int:
        """Inputs that are being answered."""
        return self._in_flight()

    @property
    def oldest_unfinished_seconds(self) -> float | None:
        """Age of the oldest input in flight; None where there is none."""
        return self._oldest()
