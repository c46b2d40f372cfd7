"""Cutting texts of any language into sentences, clauses and words, with bounds that hold for every input."""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from domain.privacy.placeholders import replaced

MAX_SENTENCE_CHARACTERS = 600
_SENTENCE_END = re.compile(r"(?<=[.!?؟…。！？।۔])[\"'»”’)\]]*\s+|(?<=[。！？])|[\n\r]+")
_CLAUSE_END = re.compile(
    r"[;:؛،,，、；：]\s*|\s[-–—]\s|\s(?=(?:but|because|mais|parce que|pero|porque|але|тому що|لكن|لأن)\s)"
)
_ABBREVIATION = re.compile(
    r"(?:^|\s)(?:\w|mr|mrs|ms|dr|st|m|mme|no|sr|sra|вул|ім|р|м|т|е\.g|e\.g|i\.e)\.$", re.IGNORECASE
)
HIDDEN = "\ufffc"
"""Stands where a placeholder of personal data stood; the character that Unicode has for what is no text."""
_OWNER = re.compile(rf"{HIDDEN}['’ʼ]s\b")
_WORD = re.compile(r"[^\W_]+(?:['’ʼ\-][^\W_]+)*")

FULL_WEIGHT_WORDS = 6
"""A sentence with fewer words ("Good morning.") weighs proportionally less."""
DECAY = 0.5
LEAST_WEIGHT = 0.35


def sentences(text: str, limit: int) -> list[str]:
    """The first sentences of a text, at most `limit`, each cut at 600 characters; [] for a text without any."""
    found: list[str] = []
    for piece in _SENTENCE_END.split(text[: limit * MAX_SENTENCE_CHARACTERS * 2]):
        cleaned = " ".join(piece.split())
        if not cleaned:
            continue
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] = f"{found[-1]} {cleaned}"[:MAX_SENTENCE_CHARACTERS]
        elif len(found) == limit:
            break
        else:
            found.append(cleaned[:MAX_SENTENCE_CHARACTERS])
    return found


def clauses(sentence: str) -> list[str]:
    """The parts of a sentence between commas, dashes and the commonest conjunctions."""
    return [part.strip() for part in _CLAUSE_END.split(sentence) if part.strip()]


def words(text: str) -> list[str]:
    """The words of a text, as written; digits count as words."""
    return _WORD.findall(text)


def hidden(text: str) -> str:
    """The text with `HIDDEN` for each placeholder of personal data (`[PERSON_1]`), the owner's `'s` included."""
    return _OWNER.sub(HIDDEN, replaced(text, lambda _: HIDDEN))


def without_placeholders(text: str) -> str:
    """The text without placeholders: each says that somebody is named, and nothing of what the text is about."""
    return hidden(text).replace(HIDDEN, " ").strip() or "…"


def letters(text: str) -> int:
    """How many letters, of any script, a text has."""
    return sum(map(str.isalpha, text))


def weights(pieces: Iterable[str]) -> npt.NDArray[np.float64]:
    """How much each sentence of a record counts, in their order.

    The first sentence says what a person came for; what follows explains, and in the notes of a hotline the last is
    the service's own reply. So each sentence weighs half of the one before, down to about a third.
    """
    return np.array(
        [
            max(DECAY**number, LEAST_WEIGHT) * min(1.0, (len(words(piece)) + 0.01) / FULL_WEIGHT_WORDS)
            for number, piece in enumerate(pieces)
        ]
    )
