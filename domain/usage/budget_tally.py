"""What a watch on budgets did so far, for metrics."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class BudgetTally:
    """Written by the loops of one process; may be read from another thread.

    Attributes:
        clock: seconds.
        told: thresholds that were told of.
        pauses: hard stops that last, as of the latest look.
        sent_again: inputs that were sent again after a pause.
        refused: times that the webhook did not take an alert.
        outages: times that the database, or Kafka, had to be waited for.
    """

    clock: Callable[[], float] = time.monotonic
    told: int = 0
    pauses: int = 0
    sent_again: int = 0
    refused: int = 0
    outages: int = 0
    _looked_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._looked_at = self.clock()

    @property
    def look_age_seconds(self) -> float:
        """How long ago the latest look ended well or, before the first, this began."""
        return self.clock() - self._looked_at

    def looked(self) -> None:
        """A look has ended well: all budgets are known, and everything is told."""
        self._looked_at = self.clock()
