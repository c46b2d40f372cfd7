"""Stretches of time."""

from collections.abc import Iterable

Span = tuple[float, float]
"""When it began and when it ended, on one clock."""


def union(spans: Iterable[Span]) -> list[Span]:
    """What lies in any of them, in order, each moment once."""
    found: list[Span] = []
    for began, ended in sorted(spans):
        if found and began <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], ended)
        else:
            found.append((began, ended))
    return found


def common(first: Iterable[Span], second: Iterable[Span]) -> list[Span]:
    """What lies in one of the first and in one of the second."""
    others = list(second)
    pairs = ((max(one[0], other[0]), min(one[1], other[1])) for one in first for other in others)
    return union((began, ended) for began, ended in pairs if began < ended)


def length(spans: Iterable[Span]) -> float:
    """How long they are together; what lies in several counts once."""
    return sum(ended - began for began, ended in union(spans))
