"""Feedback of nobody's, with personal data of nobody's in known places, and without any: templates of our own."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bench.privacy_values import VALUES, digits

LANGUAGES = ("en", "fr", "es", "ar", "uk")
TEMPLATES = Path(__file__).with_name("privacy_templates.txt")

_GROUPS = {
    **dict.fromkeys(("EMAIL", "URL", "IP"), "CONTACT"),
    "PHONE": "PHONE",
    **dict.fromkeys(("IBAN", "CARD", "CRYPTO"), "ACCOUNT"),
    "PERSON": "PERSON",
    "PLACE": "PLACE",
    "PHONE beside words": "BESIDE",
    "EMAIL, broken up": "CONTACT",
    "PHONE, broken up": "PHONE",
    "IBAN, broken up": "ACCOUNT",
    "CARD, broken up": "ACCOUNT",
}
"""Which templates a kind of value goes into."""


@dataclass(frozen=True, slots=True)
class Case:
    """A record, and what must not be seen of it; nothing where it is None."""

    language: str
    text: str
    kind: str | None = None
    value: str | None = None


def templates() -> dict[tuple[str, str], list[str]]:
    """By group and language."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for line in TEMPLATES.read_text(encoding="utf-8").splitlines():
        if "\t" in line:
            group, language, text = line.split("\t")
            found[group, language].append(text)
    return found


def cases(seed: int, each: int) -> Iterator[Case]:
    """`each` records of every kind in every language; the same for the same seed."""
    random, known = Random(seed), templates()
    for kind, group in _GROUPS.items():
        for language in LANGUAGES:
            texts = known[group, language]
            for number in range(each):
                value = VALUES[kind](random, language)
                yield Case(language, texts[number % len(texts)].replace("{}", value), kind, value)


def negatives(seed: int, each: int) -> Iterator[Case]:
    """`each` records in every language with nothing personal in them, but numbers that look like it."""
    random, known = Random(seed), templates()
    for language in LANGUAGES:
        texts = known["NOTHING", language]
        for number in range(each):
            yield Case(language, digits(random, texts[number % len(texts)]))
