"""Names of persons where people say that they are names: "my name is", "Mrs", and the like in five languages.

Not a model: who is named without such words is not found. bench/privacy.py measures what this finds.
"""

import re
from collections.abc import Iterator, Sequence

from adapters.privacy.recogniser import listed, words
from domain.privacy.kinds import Kind
from domain.privacy.spans import Span

_CAPITAL = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪĮİĶĹĻĽŁŃŅŇŌŐŒŔŘŚŞŠȘŢŤȚŪŮŰŲŴŶŸŹŻŽА-ЯЁЄІЇҐ"
_WORD = rf"[{_CAPITAL}][\w'’-]{{1,30}}"
_PARTICLE = r"(?:(?:de|del|de la|da|dos|van|von|bin|bint|ibn|ben|el|al|ould|abu|abd) |(?:[Aa]l|[Ee]l)-|d')"
_NAME = rf"{_PARTICLE}?{_WORD}(?: {_PARTICLE}?{_WORD}| [{_CAPITAL}]\.){{0,3}}"
"""One to four words with capitals, particles between."""

_CUES = "name_cues.txt"


def _cues(language: str) -> re.Pattern[str]:
    """Sentences in any case and titles as they are written, with the name behind them."""
    sentences, titles = (
        "|".join(re.escape(cue.strip()).replace("'", "['’ʼ]") for cue in listed(_CUES)[f"{what} {language}"].split(","))
        for what in ("sentence", "title")
    )
    return re.compile(rf"(?<!\w)(?:(?i:{sentences})|{titles}) ({_NAME})")


_LATIN_AND_CYRILLIC = [_cues(language) for language in ("en", "fr", "es", "uk")]
_NOT_NAMES = words(" ".join(listed(_CUES)[f"words {language}"] for language in ("en", "fr", "es", "uk")))

_ARABIC_CUE = re.compile(
    r"(?<!\w)(?:اسمي(?: الكامل)?(?: هو)?|إسمي|أدعى|الاسم ?:"
    r"|و?(?:ال)(?:سيدة?|دكتورة?|أستاذة?|استاذة?|حاجة?|مهندسة?|شيخة?|طبيبة?))"
    r" (?=\S)"
)
_ARABIC_WORD = re.compile(r" ?((?:عبد |أبو |أم |بن |بنت |ابن )?[\u0621-\u064a\u064b-\u0652]{2,15})")
_ARABIC_ENDS = words(listed(_CUES)["ends ar"].replace(",", " "))


class NameCues:
    """See above. Latin, Cyrillic and Arabic letters."""

    name = "name-cues"

    def find(self, text: str, language: str | None) -> Sequence[Span]:  # noqa: ARG002 - each cue is of one language
        """Where names stand, without their cue."""
        found = [
            Span(match.start(1), match.end(1), Kind.PERSON)
            for cues in _LATIN_AND_CYRILLIC
            for match in cues.finditer(text)
            if _is_name(match[1])
        ]
        return found if text.isascii() else [*found, *_arabic(text)]


def _is_name(name: str) -> bool:
    return name.partition(" ")[0] not in _NOT_NAMES


def _arabic(text: str) -> Iterator[Span]:
    """Up to three words behind a cue: Arabic has no capitals, so it ends at a word that no name holds."""
    for cue in _ARABIC_CUE.finditer(text):
        end = start = cue.end()
        for _ in range(3):
            word = _ARABIC_WORD.match(text, end)
            if word is None or word[1] in _ARABIC_ENDS or (end > start and _begins_a_clause(word[1])):
                break
            end = word.end()
        if end > start:
            yield Span(start, end, Kind.PERSON)


def _begins_a_clause(word: str) -> bool:
    """And, for the, a verb: prefixes that a second name seldom has."""
    return len(word) > 3 and word.startswith(("و", "لل", "ي", "ت"))
