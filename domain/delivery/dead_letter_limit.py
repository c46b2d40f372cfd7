"""When most inputs fail, the fault is hardly in each of them: stop, instead of draining a topic into dead letters."""

from collections import deque

from domain.errors import TooManyDeadLettersError


class DeadLetterLimit:
    """Watches the share of dead letters among the latest outcomes."""

    def __init__(self, share: float = 0.5, window: int = 200, minimum: int = 100) -> None:
        """Halt when more than `share` of the latest `window` outcomes, at least `minimum` of them, are dead letters."""
        self._share = share
        self._minimum = minimum
        self._latest: deque[bool] = deque(maxlen=window)
        self._dead = 0

    def record(self, *, dead: bool) -> None:
        """Take in one outcome: a result, or a dead letter."""
        if len(self._latest) == self._latest.maxlen:
            self._dead -= self._latest[0]
        self._latest.append(dead)
        self._dead += dead

    def check(self) -> None:
        """Go on only while the share is bearable.

        Raises:
            TooManyDeadLettersError: it is not.
        """
        if len(self._latest) >= self._minimum and self._dead > self._share * len(self._latest):
            raise TooManyDeadLettersError(
                f"{self._dead} of the latest {len(self._latest)} outcomes were dead letters: the worker stops before "
                "it drains its topics. Look at the reasons in feedback.dead-letters, mend the cause, start it again."
            )
