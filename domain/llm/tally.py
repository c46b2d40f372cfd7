"""Counts of LLM calls, for whoever watches a process: how many, how they ended, how long they took."""

from bisect import bisect_left
from collections import Counter
from itertools import product

from schemas.operations import Operation

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of the classes of durations, in seconds; one more class has what is longer."""
STATUSES = ("ok", "error")


class Durations:
    """How long calls took.

    Attributes:
        classes: how many lie in each class of `BOUNDS`, not added up; the last has those above all bounds.
        seconds: all of them together.
    """

    __slots__ = ("classes", "seconds")

    def __init__(self) -> None:
        self.classes = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Take in one call."""
        self.classes[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds


class CallTally:
    """Kept by who makes the calls; may be read from another thread. Operations are ours, so that they are few.

    Attributes:
        ended: calls by operation and status.
        unpriced: those of them whose cost is not known.
        durations: by operation.
    """

    def __init__(self) -> None:
        """None so far; every operation of ours is there."""
        known = dict.fromkeys(product((operation.value for operation in Operation), STATUSES), 0)
        self.ended: Counter[tuple[str, str]] = Counter(known)
        self.unpriced: Counter[tuple[str, str]] = Counter(known)
        self.durations: dict[str, Durations] = {operation.value: Durations() for operation in Operation}

    def count(self, operation: str, status: str, seconds: float, *, priced: bool) -> None:
        """One call has ended."""
        self.ended[operation, status] += 1
        self.unpriced[operation, status] += not priced
        self.durations.setdefault(operation, Durations()).add(seconds)
