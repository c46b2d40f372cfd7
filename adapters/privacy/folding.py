"""One way of writing what people write in many: digits of any script, full-width letters, odd spaces and dashes."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from domain.privacy.spans import Span

_WIDE = (range(0xFF00, 0xFFF0), range(0xFE50, 0xFE70), range(0x1D400, 0x1D7CE))
"""Full-width and half-width forms, small forms, mathematical letters."""

_MINUS = 0x2212
_DOT_LEADER = 0x2024


class _Folds(dict[int, int | None]):
    """What `str.translate` puts for a character, worked out when it is first met; None takes it away."""

    def __missing__(self, code: int) -> int | None:
        self[code] = folded = _folded(code)
        return folded


def _folded(code: int) -> int | None:
    character = chr(code)
    category = unicodedata.category(character)
    if category == "Nd":
        return ord("0") + unicodedata.decimal(character)
    if category == "Cf":  # marks of direction, joiners, soft hyphens: they hide in numbers that were copied
        return None
    if category == "Zs":
        return ord(" ")
    if category == "Pd" or code == _MINUS:
        return ord("-")
    if code == _DOT_LEADER:
        return ord(".")
    plain = unicodedata.normalize("NFKC", character)
    return ord(plain) if len(plain) == 1 and any(code in block for block in _WIDE) else code


_FOLDS = _Folds()


@dataclass(frozen=True, slots=True)
class Folded:
    """A text as the recognisers read it.

    Attributes:
        text: ASCII digits, plain spaces and hyphens, nothing invisible; otherwise as it was written.
    """

    text: str
    _positions: Sequence[int] | None = None

    def as_written(self, spans: Sequence[Span]) -> list[Span]:
        """The same spans in the text as it was written."""
        at = self._positions
        if at is None:
            return list(spans)
        return [Span(at[span.start], at[span.end - 1] + 1, span.kind) for span in spans]


def fold(text: str) -> Folded:
    """The text as the recognisers read it."""
    if text.isascii():
        return Folded(text)
    folded = text.translate(_FOLDS)
    if len(folded) == len(text):
        return Folded(folded)
    return Folded(folded, [at for at, character in enumerate(text) if _FOLDS[ord(character)] is not None])
