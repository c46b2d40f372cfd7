"""Whether what goes wrong is a matter of single inputs, or of this worker: each operation is judged by itself."""

from collections import Counter

from domain.delivery.dead_letter_limit import DeadLetterLimit
from domain.errors import (
    BudgetExhaustedError,
    FailedWithAnotherPartError,
    IncompleteRequestError,
    TooManyPartsError,
    UnknownFrameworkError,
)
from schemas.operations import Operation

BUGS_IN_A_ROW = 3
_READING = "reading inputs"
_NO_SIGN = (
    BudgetExhaustedError,
    UnknownFrameworkError,
    IncompleteRequestError,
    TooManyPartsError,
    FailedWithAnotherPartError,
)


class Health:
    """Counts how operations end; None stands for the reading of an input, which precedes them.

    What works says nothing of what fails: neither the share of dead letters nor the bugs in a row of one operation are
    made good by the results of another.
    """

    def __init__(self, limit: DeadLetterLimit) -> None:
        self._limit = limit
        self._bugs_in_a_row: Counter[Operation | None] = Counter()

    def succeeded(self, operation: Operation | None) -> None:
        """There is a result, or the input could be read."""
        self._bugs_in_a_row[operation] = 0
        self._limit.record(operation or _READING, dead=False)

    def failed(self, operation: Operation | None, error: Exception) -> None:
        """There is a dead letter. What a tenant can bring about alone is no sign of a fault; a request counts once."""
        if not isinstance(error, _NO_SIGN):
            self._limit.record(operation or _READING, dead=True)

    def blamed(self, operation: Operation | None, error: Exception) -> None:
        """The failure is a matter of this input: whatever it is, it is no bug, unless another part tells which."""
        if not isinstance(error, FailedWithAnotherPartError):
            self._bugs_in_a_row[operation] = 0

    def met_a_bug(self, operation: Operation | None) -> bool:
        """Take in a fault of this program, twice on one input; whether so many inputs in a row say it is in all."""
        self._bugs_in_a_row[operation] += 1
        return self._bugs_in_a_row[operation] >= BUGS_IN_A_ROW

    def check(self) -> None:
        """Go on only while most outcomes are results.

        Raises:
            TooManyDeadLettersError: they are not.
        """
        self._limit.check()
