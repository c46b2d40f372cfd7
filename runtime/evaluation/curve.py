"""Accuracy against coverage: how often a model is right where only its surest answers are used."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MARKS = (25, 50, 75, 100)
"""The coverages, in percent of all records, that a report names."""


@dataclass(frozen=True, slots=True)
class Point:
    """One coverage.

    Attributes:
        percent: of all records, the surest ones.
        accuracy: how many of these were right, 0 to 1.
        confidence: of the least sure of them; None where abstentions are among them.
    """

    percent: int
    accuracy: float
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """A point for each percent from 1 to 100; none where there was no record."""

    points: tuple[Point, ...]

    def at(self, percent: int) -> Point | None:
        """The point at this coverage."""
        return self.points[percent - 1] if self.points else None


def curve_of(outcomes: Sequence[tuple[float | None, bool]]) -> Curve:
    """The curve of answers, each with its confidence (None: an abstention, which comes last) and whether it was right.

    Many models are equally sure of many answers. Where a coverage ends among such, they count by their average, as if
    in random order: the order of a file decides nothing. So do parts of a record.
    """
    groups = list(_groups(outcomes))
    return Curve(tuple(_point(groups, percent, len(outcomes)) for percent in range(1, 101)) if groups else ())


def _groups(outcomes: Sequence[tuple[float | None, bool]]) -> Iterator[tuple[float | None, int, int]]:
    """Confidence, records and hits among them; the surest first, abstentions last."""
    records = Counter(confidence for confidence, _ in outcomes)
    hits = Counter(confidence for confidence, right in outcomes if right)
    for confidence in sorted((known for known in records if known is not None), reverse=True):
        yield confidence, records[confidence], hits[confidence]
    if records[None]:
        yield None, records[None], 0


def _point(groups: Sequence[tuple[float | None, int, int]], percent: int, count: int) -> Point:
    wanted = left = count * percent / 100
    found, confidence = 0.0, None
    for level, records, hits in groups:
        taken = min(left, records)
        found += hits * taken / records
        confidence, left = level, left - taken
        if left <= 0:
            break
    return Point(percent, found / wanted, confidence)
