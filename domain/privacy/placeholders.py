"""Placeholders such as `[EMAIL_1]`: made for what must not be seen, and recognised in what a model wrote."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from unicodedata import normalize

from domain.privacy.kinds import Kind
from domain.privacy.spans import Span
from domain.unseen import without_unseen

Key = tuple[Kind, int]
"""A placeholder's kind and number."""

# A model may lose a bracket, put a space for the underscore, escape it for Markdown or write small letters. Without
# both brackets the underscore must be there: "place 1" is English. A number is read whole or not at all. The kinds are
# ASCII alone: to `re.IGNORECASE`, a Turkish dotted capital I is an i.
_KIND = "(?a:" + "|".join(Kind) + ")"
_NUMBER = r"\d{1,9}"
_WRITTEN = re.compile(
    rf"\[ ?({_KIND})(?:\\?_|[ -])?({_NUMBER}) ?\]"
    rf"|\\\[ ?({_KIND})(?:\\?_|[ -])?({_NUMBER}) ?\\\]"
    rf"|(?<![\w\\])\[?({_KIND})\\?_({_NUMBER})(?![\w\\])\]?",
    re.IGNORECASE,
)


def written(kind: Kind, number: int) -> str:
    """The placeholder as we write it."""
    return f"[{kind}_{number}]"


def mentioned(text: str) -> Iterator[Key]:
    """Every placeholder that stands in the text, however it is spelt, ours or not.

    A model may repeat one without the joiners in it, or in narrow letters where the text has full-width ones; or as it
    stands, where what is unseen parts it from a word behind it.
    """
    spelt = (text,) if text.isascii() else (normalize("NFKC", without_unseen(text)), text)
    return (_key(match) for one in spelt for match in _WRITTEN.finditer(one))


def replaced(text: str, original: Callable[[Key], str | None]) -> str:
    """The text with each placeholder replaced by its original; one that has none stays as it stands.

    Originals are not searched for placeholders.
    """

    def instead(match: re.Match[str]) -> str:
        found = original(_key(match))
        return match.group() if found is None else found

    return _WRITTEN.sub(instead, text)


def _key(match: re.Match[str]) -> Key:
    kind, number = (found for found in match.groups() if found is not None)
    return Kind(kind.upper()), int(number)


@dataclass(slots=True)
class Placeholders:
    """Numbers the originals of several texts: each original of a kind has one placeholder, no two share one.

    Attributes:
        originals: what each placeholder that was made stands for.
    """

    originals: dict[Key, str] = field(default_factory=dict, repr=False)
    _numbers: dict[tuple[Kind, str], int] = field(default_factory=dict, repr=False)
    _taken: set[Key] = field(default_factory=set, repr=False)
    _last: dict[Kind, int] = field(default_factory=dict)

    def replace(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> tuple[str, ...]:
        """The texts with a placeholder for each span. No placeholder made stands in any of the texts already.

        Args:
            spans: for each text, without overlaps, in the text's order. See `domain.privacy.spans.settled`.
        """
        for text, found in zip(texts, spans, strict=True):
            self._taken.update(key for piece in _between(text, found) for key in mentioned(piece))
        return tuple(self._masked(text, found) for text, found in zip(texts, spans, strict=True))

    def _masked(self, text: str, spans: Sequence[Span]) -> str:
        pieces = _between(text, spans)
        parts = [next(pieces)]
        for span, piece in zip(spans, pieces, strict=True):
            parts += (self._placeholder(span.kind, text[span.start : span.end]), piece)
        return "".join(parts)

    def _placeholder(self, kind: Kind, original: str) -> str:
        number = self._numbers.get((kind, original))
        if number is None:
            number = self._last.get(kind, 0) + 1
            while (kind, number) in self._taken:
                number += 1
            self._last[kind] = self._numbers[kind, original] = number
            self.originals[kind, number] = original
        return written(kind, number)


def _between(text: str, spans: Iterable[Span]) -> Iterator[str]:
    """What stands before, between and behind the spans: one piece more than there are spans."""
    start = 0
    for span in spans:
        yield text[start : span.start]
        start = span.end
    yield text[start:]
