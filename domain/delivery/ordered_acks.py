"""Which offsets may be acknowledged: those of the finished prefix of each partition, and nothing beyond it."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

P = TypeVar("P", bound=Hashable)


@dataclass(slots=True)
class _Lane:
    """One partition as it was assigned once."""

    generation: int
    last: int = -1
    waiting: deque[int] = field(default_factory=deque)  # offsets, oldest first
    finished: dict[int, int] = field(default_factory=dict)  # each with how far what shares its outcome reaches
    unfinished: int = -1  # where the finished prefix ended when it was last looked at

    def releasable(self) -> int:
        """How many of the oldest are finished, and all that shares an outcome with them."""
        count, reach = 0, -1
        for number, offset in enumerate(self.waiting, 1):
            if offset not in self.finished:
                self.unfinished = offset
                break
            reach = max(reach, self.finished[offset])
            if reach <= offset:
                count = number
        return count


class OrderedAcks(Generic[P]):
    """Keeps the order of inputs per partition while they finish in any order.

    A partition is known by any hashable value, e.g. (topic, number). Each assignment of it has a generation, a number
    that only grows: what was read under an older one belongs to somebody else by now, and is never acknowledged.
    """

    def __init__(self) -> None:
        self._lanes: dict[P, _Lane] = {}
        self._unreleased = 0

    def __len__(self) -> int:
        """How many tracked inputs are not released yet: unfinished, or finished behind an unfinished one."""
        return self._unreleased

    def track(self, generation: int, partition: P, offset: int) -> bool:
        """Remember an input that was read. Offsets of one generation are read in rising order.

        Returns:
            Whether it is to be handled: not if it is of an older generation, or was read before.
        """
        lane = self._lanes.get(partition)
        if lane is None or generation > lane.generation:
            self.forget(partition)
            lane = self._lanes[partition] = _Lane(generation)
        if generation < lane.generation or offset <= lane.last:
            return False
        lane.last = offset
        lane.waiting.append(offset)
        self._unreleased += 1
        return True

    def done(self, generation: int, partition: P, offset: int, reach: int | None = None) -> list[int]:
        """Remember that an input has its outcome.

        Args:
            reach: the highest offset of the inputs that share the outcome, all of them read by now. They are released
                together: one that came again without the others could not know of it.

        Returns:
            The offsets that may be acknowledged now, in order; none while an older input is unfinished, or where the
            partition was taken away meanwhile.
        """
        lane = self._lanes.get(partition)
        if lane is None or lane.generation != generation or not lane.waiting:
            return []
        if not lane.waiting[0] <= offset <= lane.last:
            return []  # released before, or never tracked
        lane.finished[offset] = max(offset, reach or 0)
        if lane.waiting[0] <= lane.unfinished and lane.unfinished not in lane.finished:
            return []
        released = [lane.waiting.popleft() for _ in range(lane.releasable())]
        for each in released:
            del lane.finished[each]
        self._unreleased -= len(released)
        return released

    def forget(self, partition: P) -> None:
        """Drop a partition that was taken away."""
        lane = self._lanes.pop(partition, None)
        if lane is not None:
            self._unreleased -= len(lane.waiting)
