"""When an outcome stood on its topic, told by snapshots: found by halving, for there are many of both."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate

from tests.chaos.evidence import Letter, Partition, Result, Snapshot
from tests.chaos.invariants.book import Asked


class Timeline:
    """Snapshots in the order of time, numbered from 0; `never` is the number of none."""

    def __init__(self, snapshots: Iterable[Snapshot]) -> None:
        self.snapshots = sorted(snapshots, key=lambda snapshot: snapshot.at)
        self.never = len(self.snapshots)
        ends: dict[Partition, list[int]] = defaultdict(lambda: [0] * self.never)
        for number, snapshot in enumerate(self.snapshots):
            for partition, end in snapshot.ends.items():
                ends[partition][number] = end
        # What stood there once has stood there, though its topic was made anew since.
        self._ends = {partition: list(accumulate(each, max)) for partition, each in ends.items()}

    def begun(self, asked: Asked) -> int:
        """The first snapshot at which there was any outcome."""
        return min(map(self.seen, asked.messages()), default=self.never)

    def finished(self, asked: Asked) -> int:
        """The first snapshot at which each operation had an outcome."""
        return max(min(map(self.seen, messages), default=self.never) for messages in asked.alternatives())

    def seen(self, message: Result | Letter) -> int:
        """The first snapshot at which it stood there."""
        ends = self._ends.get(message.place[:2])
        return self.never if ends is None else bisect_right(ends, message.place[2])
