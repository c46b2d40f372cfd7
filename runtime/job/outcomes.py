"""Which outcomes of one record count: a result over any dead letter, in whatever order they come.

A dead letter may be replayed, and be answered then; and a repeat after a crash may end otherwise than the first try.
So a dead letter stands for as long as its operation has no result, and what stands does not depend on who came first.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class RecordOutcomes:
    """What has come for one record.

    Attributes:
        asked: the operations that were asked for.
        answered: those of them that have a result.
        given_up: the operations of its dead letters; None: of the whole record.
    """

    asked: frozenset[str]
    answered: set[str] = field(default_factory=set)
    given_up: set[str | None] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        """Whether each operation has an outcome."""
        return None in self.given_up or not self.asked - self.answered - self.given_up

    @property
    def standing(self) -> set[str | None]:
        """The dead letters that count: no result has come for them. One of the whole record stands for the rest."""
        standing = self.given_up - self.answered
        if not self.asked - self.answered - self.given_up:
            standing.discard(None)
        return standing

    def answer(self, operation: str) -> bool:
        """A result came; whether it is new."""
        new = operation in self.asked and operation not in self.answered
        if new:
            self.answered.add(operation)
        return new

    def give_up(self, operation: str | None) -> bool:
        """A dead letter came; whether it is new, and stands."""
        new = self.would_stand(operation)
        self.given_up.add(operation)
        return new

    def would_stand(self, operation: str | None) -> bool:
        """Whether a dead letter would be new, and stand."""
        if operation in self.given_up:
            return False
        rest = self.asked - self.answered
        return bool(rest - self.given_up) if operation is None else operation in rest
