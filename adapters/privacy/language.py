"""Which language a text is in, told from the text alone, the same every time."""

import re
from threading import Lock
from typing import Any

CANDIDATES = (
    "am", "ar", "bn", "de", "en", "es", "fa", "fr", "hi", "ht", "it", "ku", "ne", "pl", "ps", "pt", "ro", "ru", "rw",
    "sw", "tl", "tr", "uk", "ur",
)  # fmt: skip
"""Languages that are told apart, of the 97 that the library knows: fewer are told apart better."""

_ENOUGH = 2000
"""Characters that are looked at; more would not change the answer."""

_SURE = 0.6
_LEAST_SURE = 0.35
_LEAST_LETTERS = 3

_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z]{4})?(?:[-_]([A-Za-z]{2}|\d{3}))?", re.ASCII)


def parsed(tag: str | None) -> str | None:
    """A stated BCP 47 tag as recognisers take it, `fr` or `fr-CD`, whichever case it was written in; else None.

    Language, script and region alone: what has another shape is no tag, and must not travel into results.
    """
    found = _TAG.fullmatch(tag.strip()) if tag else None
    if found is None:
        return None
    language, region = found[1].lower(), found[2]
    return f"{language}-{region.upper()}" if region else language


class LanguageDetector:
    """Naive Bayes over bytes (py3langid), limited to `CANDIDATES`. Loading takes half a second and 70 MB, once."""

    def __init__(self) -> None:
        self._identifier: Any = None
        self._lock = Lock()

    def load(self) -> None:
        """Load it now rather than with the first text."""
        with self._lock:
            if self._identifier is None:
                from py3langid.langid import MODEL_FILE, LanguageIdentifier

                identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
                identifier.set_languages(list(CANDIDATES))
                self._identifier = identifier

    def detect(self, text: str, stated: str | None = None) -> str | None:
        """The language's code, or None where the text does not tell.

        Args:
            stated: BCP 47 tag that somebody stated; one that is none counts for nothing. Its language is the answer
                where the text has hardly a letter, or the library is not sure; and where it agrees, the answer is as it
                stands, with its region.
        """
        hint = parsed(stated)
        sample = text[:_ENOUGH]
        if sum(character.isalpha() for character in sample[:200]) < _LEAST_LETTERS:
            return hint
        self.load()
        found, probability = self._identifier.classify(sample)
        if hint is not None and (probability < _SURE or hint.partition("-")[0] == found):
            return hint
        return str(found) if probability >= _LEAST_SURE else None
