"""Counts of dead letters, for whoever watches a process."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from domain.delivery.reasons import REASONS


class DeadLetterTally:
    """Kept by who publishes dead letters; may be read from another thread.

    Attributes:
        by_reason: how many were acknowledged since the start, repeats included; every known reason is there.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """None so far. `clock` counts seconds."""
        self.by_reason: dict[str, int] = dict.fromkeys(REASONS, 0)
        self._clock = clock
        self._sending: dict[object, float] = {}  # in the order of their start

    @contextmanager
    def sending(self, reason: str) -> Iterator[None]:
        """A dead letter is being published; it counts when the block ends well."""
        letter = object()
        self._sending[letter] = self._clock()
        try:
            yield
        finally:
            del self._sending[letter]
        self.by_reason[reason] = self.by_reason.get(reason, 0) + 1

    @property
    def waiting_seconds(self) -> float:
        """How long the oldest one has waited for its acknowledgement; 0 where none does."""
        began = tuple(self._sending.values())[:1]  # copied in one step: its owner goes on meanwhile
        return self._clock() - began[0] if began else 0.0
