"""The words that hold sentences together, and what each does: the little grammar that extraction needs."""

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from importlib.resources import files


class Role(Enum):
    """What a word does in its sentence; the values are those of glue_words.txt, `CONTENT` is every other word."""

    CONTENT = "content"
    ARTICLE = "article"
    DETERMINER = "determiner"
    PREPOSITION = "preposition"
    CONJUNCTION = "conjunction"
    COORDINATOR = "coordinator"
    RELATIVE = "relative"
    PRONOUN = "pronoun"
    AUXILIARY = "auxiliary"
    NEGATION = "negation"
    WEAK = "weak"


Grammar = Mapping[str, Role]
"""Words in lower case, and what they do. Later lines of the file win where a word stands twice."""


@cache
def grammars() -> Mapping[str, Grammar]:
    """The grammar of each language, by its two letters."""
    found: dict[str, dict[str, Role]] = {}
    for line in files(__package__).joinpath("glue_words.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            heading, _, listed = line[1:].partition("]")
            language, role = heading.split()
            found.setdefault(language, {}).update(dict.fromkeys(listed.split(), Role(role)))
    return found


@cache
def glue_words() -> frozenset[str]:
    """The words of all languages, in lower case, that say little of what a text is about."""
    return frozenset(word for grammar in grammars().values() for word in grammar)


def language_of(words: Sequence[str]) -> str:
    """The language whose glue is the most frequent among words in lower case; "" where none is known."""
    counts = {language: sum(map(grammar.__contains__, words)) for language, grammar in grammars().items()}
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] else ""
