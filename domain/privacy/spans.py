"""Where something personal stands in a text."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from domain.privacy.kinds import Kind


@dataclass(frozen=True, slots=True)
class Span:
    """The characters from `start` up to, not including, `end`; never none."""

    start: int
    end: int
    kind: Kind


def settled(text: str, found: Iterable[Sequence[Span]]) -> list[Span]:
    """Spans that do not overlap, in the order of the text, out of what several recognisers found.

    What an earlier recogniser found stands. Of what a later one found, all stays that is beside it and holds a letter
    or a digit: nothing that somebody found is left to be seen. So recognisers come in the order of how sure they are.

    In "see example.org/0712 345678 now" one finds a URL from 4 to 20, say, and a later one a phone number at 16 to 27:
    the URL stands, and what the number has beside it becomes a phone number of its own.

        >>> url, number = Span(4, 20, Kind.URL), Span(16, 27, Kind.PHONE)
        >>> settled("see example.org/0712 345678 now", [[url], [number]]) == [url, Span(20, 27, Kind.PHONE)]
        True
    """
    kept: list[Span] = []
    for spans in found:
        earlier, starts = kept, [span.start for span in kept]
        end, added = 0, []
        for span in sorted(spans, key=lambda one: (one.start, -one.end)):
            if span.end > end:
                new = Span(max(span.start, end), span.end, span.kind)
                added += [rest for rest in _beside(new, earlier, starts) if _says_something(text, rest)]
                end = span.end
        kept = sorted((*kept, *added), key=lambda one: one.start) if added else kept
    return kept


def _beside(span: Span, earlier: Sequence[Span], starts: Sequence[int]) -> Iterator[Span]:
    """What is left of a span beside others, which do not overlap each other and stand in order."""
    start = span.start
    for other in earlier[max(0, bisect_right(starts, start) - 1) :]:
        if other.start >= span.end:
            break
        if other.start > start:
            yield Span(start, other.start, span.kind)
        start = max(start, other.end)
    if start < span.end:
        yield Span(start, span.end, span.kind)


def _says_something(text: str, span: Span) -> bool:
    return any(character.isalnum() for character in text[span.start : span.end])
