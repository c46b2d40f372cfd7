"""When most inputs fail, the fault is hardly in each of them: stop, instead of draining a topic into dead letters."""

from collections import defaultdict, deque

from domain.errors import TooManyDeadLettersError


class DeadLetterLimit:
    """Watches the share of dead letters among the latest outcomes of each kind of work, one kind apart from another.

    Where every coding fails and every summary works, half of all outcomes are results, and the codings are lost all
    the same.
    """

    def __init__(self, share: float, window: int, minimum: int) -> None:
        """Halt when more than `share` of the latest `window` outcomes of one kind, at least `minimum`, are dead."""
        self._share = share
        self._minimum = minimum
        self._latest: defaultdict[str, _Latest] = defaultdict(lambda: _Latest(window))

    def record(self, work: str, *, dead: bool) -> None:
        """Take in how one piece of work ended: with what was asked, or with a dead letter."""
        self._latest[work].add(dead)

    def check(self) -> None:
        """Go on only while the share is bearable.

        Raises:
            TooManyDeadLettersError: it is not.
        """
        for work, latest in self._latest.items():
            count = len(latest)
            if count >= self._minimum and latest.dead > self._share * count:
                raise TooManyDeadLettersError(
                    f"At {work}, {latest.dead} of the latest {count} outcomes were dead letters: the worker stops "
                    "before it drains its topics. Look at them with `feedback dead-letters list`, mend the cause, "
                    "start it again, then replay them."
                )


class _Latest:
    """The latest outcomes of one kind of work, the dead ones counted."""

    def __init__(self, window: int) -> None:
        self._outcomes: deque[bool] = deque(maxlen=window)
        self.dead = 0

    def __len__(self) -> int:
        return len(self._outcomes)

    def add(self, dead: bool) -> None:
        if len(self._outcomes) == self._outcomes.maxlen:
            self.dead -= self._outcomes[0]
        self._outcomes.append(dead)
        self.dead += dead
