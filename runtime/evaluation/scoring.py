"""How often the answers were right, from plain values: ids of codes, confidences, labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.evaluation.curve import Curve, curve_of

CodeIds = tuple[str, ...]
"""A code as the ids on its path, from the root down."""

BEST = 3
"""A label counts as found among the first so many codes of an answer."""
_NORMAL_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Given:
    """What was answered for one record.

    Attributes:
        paths: the codes, best first; none = an abstention, or no answer at all.
        confidences: the aggregate confidence of each, 0 to 1.
    """

    paths: tuple[CodeIds, ...] = ()
    confidences: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """One record: what was answered, and what a person says.

    Attributes:
        given: the answer; an empty one where there was none.
        right: the codes of which any is right; at least one.
    """

    given: Given
    right: tuple[CodeIds, ...]

    @property
    def first(self) -> bool:
        """Whether the first code is right."""
        return any(path[-1] in self._ids for path in self.given.paths[:1])

    @property
    def among_best(self) -> bool:
        """Whether one of the first three is."""
        return any(path[-1] in self._ids for path in self.given.paths[:BEST])

    def level(self, depth: int) -> bool | None:
        """Whether the first code is right at this level (0 = the root), or None where no right code goes so deep."""
        wanted = {path[depth] for path in self.right if len(path) > depth}
        if not wanted:
            return None
        return any(path[depth] in wanted for path in self.given.paths[:1] if len(path) > depth)

    @property
    def _ids(self) -> set[str]:
        return {path[-1] for path in self.right}


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share, 0 to 1; 0 of nothing."""
        return self.hits / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Between what bounds the share of all such records lies, at 95 % (E. B. Wilson, 1927)."""
        if not self.of:
            return 0.0, 1.0
        z2 = _NORMAL_95**2 / self.of
        middle = self.value + z2 / 2
        half = math.sqrt(z2 * (self.value * (1 - self.value) + z2 / 4))
        return max(0.0, (middle - half) / (1 + z2)), min(1.0, (middle + half) / (1 + z2))


@dataclass(frozen=True, slots=True)
class Scores:
    """How good the codings were. An abstention, or no answer, is a miss everywhere.

    Attributes:
        top1: the first code is right.
        top3: one of the first three codes answered is; a model may answer with fewer.
        levels: the first code is right at this level, from the root down.
        curve: how accuracy grows where only the surest answers count.
        coded: how many records have a code at all.
        codes: how many codes were given, at most three counted of each record.
    """

    top1: Share
    top3: Share
    levels: tuple[Share, ...]
    curve: Curve
    coded: Share
    codes: int


def score(judged: Sequence[Judged]) -> Scores:
    """Score the records that have a right code."""
    count = len(judged)
    depth = max((len(path) for one in judged for path in one.right), default=0)
    return Scores(
        top1=Share(sum(one.first for one in judged), count),
        top3=Share(sum(one.among_best for one in judged), count),
        levels=tuple(_level(judged, level) for level in range(depth)),
        curve=curve_of([(_surest(one.given), one.first) for one in judged]),
        coded=Share(sum(bool(one.given.paths) for one in judged), count),
        codes=sum(len(one.given.paths[:BEST]) for one in judged),
    )


def _level(judged: Sequence[Judged], depth: int) -> Share:
    hits = [hit for one in judged if (hit := one.level(depth)) is not None]
    return Share(sum(hits), len(hits))


def _surest(given: Given) -> float | None:
    return given.confidences[0] if given.confidences else None
