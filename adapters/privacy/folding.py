"""One way of writing what people write in many: digits of any script, full-width letters, odd spaces and dashes."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from domain.privacy.spans import Span
from domain.unseen import CONTROLS, DEFAULT_IGNORABLE

_WIDE = (range(0xFF00, 0xFFF0), range(0xFE50, 0xFE70), range(0x1D400, 0x1D7CE))
"""Full-width and half-width forms, small forms, mathematical letters."""

_GAPS = frozenset(map(ord, "\t\n\v\f\r\x85\u2028\u2029"))
"""Ends of lines and of cells in a table: they part words as a space does, and join numbers less than a space does."""

_ACCENTS = range(0x300, 0x370)
_HYPHENS = frozenset((0x2212, 0x2043))
_DOT_LEADER = 0x2024
_ONE_FOR_ONE = dict.fromkeys(_GAPS, ord("\n")) | dict.fromkeys(_HYPHENS, ord("-")) | {_DOT_LEADER: ord(".")}
_BY_CATEGORY = {"Zs": ord(" "), "Pd": ord("-")}

_CHINESE_OR_JAPANESE = r"\u3040-\u9fff\uf900-\ufaff"
_IDEOGRAPHIC_STOP = re.compile(rf"(?<=[^\W{_CHINESE_OR_JAPANESE}])[。｡](?=[^\W{_CHINESE_OR_JAPANESE}])")
"""Between letters that are not Chinese or Japanese it is a keyboard's full stop, and no end of a sentence."""


class _Folds(dict[int, int | None]):
    """What `str.translate` puts for a character, worked out when it is first met; None takes it away."""

    def __missing__(self, code: int) -> int | None:
        self[code] = folded = _folded(code)
        return folded


def _folded(code: int) -> int | None:
    character = chr(code)
    if code in _ONE_FOR_ONE:
        return _ONE_FOR_ONE[code]
    category = unicodedata.category(character)
    if _unread(code, category):
        return None
    digit = unicodedata.digit(character, None)  # also those in circles
    if digit is not None:
        return ord("0") + digit
    if category in _BY_CATEGORY:
        return _BY_CATEGORY[category]
    plain = unicodedata.normalize("NFKC", character)
    return ord(plain) if len(plain) == 1 and any(code in block for block in _WIDE) else code


def _unread(code: int, category: str) -> bool:
    """Marks of direction, joiners, soft hyphens, keycaps and accents of their own: they hide in what was copied."""
    return code in CONTROLS or code in DEFAULT_IGNORABLE or category in ("Cf", "Me") or code in _ACCENTS


_FOLDS = _Folds()


@dataclass(frozen=True, slots=True)
class Folded:
    """A text as the recognisers read it.

    Attributes:
        text: ASCII digits, plain spaces and hyphens, a line feed for every line's or cell's end, nothing invisible;
            otherwise as it was written.
    """

    text: str
    _written: str
    _positions: Sequence[int] | None = None

    def as_written(self, spans: Sequence[Span]) -> list[Span]:
        """The same spans in the text as it was written, with the accents and keycaps of their last characters."""
        at = self._positions
        if at is None:
            return list(spans)
        return [Span(at[span.start], self._with_marks(at[span.end - 1] + 1), span.kind) for span in spans]

    def _with_marks(self, end: int) -> int:
        while end < len(self._written) and _is_dropped_mark(self._written[end]):
            end += 1
        return end


def _is_dropped_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M") and _FOLDS[ord(character)] is None


def fold(text: str) -> Folded:
    """The text as the recognisers read it."""
    if text.isascii() and text.isprintable():
        return Folded(text, text)
    folded = _IDEOGRAPHIC_STOP.sub(".", text).translate(_FOLDS)
    if len(folded) == len(text):
        return Folded(folded, text)
    return Folded(folded, text, [at for at, character in enumerate(text) if _FOLDS[ord(character)] is not None])
