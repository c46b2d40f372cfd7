"""Summaries by extraction: the record's own words, in its own language, whatever output language was asked."""

import math
import re
from collections import Counter
from typing import Any

from adapters.offline.glue import glue_words
from adapters.offline.texts import clauses, sentences, without_placeholders, words
from adapters.offline.titles import UNTITLED, title_of

MAX_SENTENCES = 200
MAX_BULLETS = 5
ENOUGH_BULLETS = 3
MAX_BULLET_CHARACTERS = 400
LONG_SENTENCE_WORDS = 25
LEAST_CLAUSE_WORDS = 6
LEAST_PARAGRAPH_WORDS = 6

_PHONE_OR_MAIL = re.compile(r"\+?\d[\d\s().\-]{6,20}\d|[^\s@]{1,64}@[^\s@]{1,255}")


def summarise(record: str) -> dict[str, Any]:
    """A title of 3 to 5 words, and up to 5 sentences in their order; where they are few, long ones in two.

    What has no word in it, emoji or punctuation alone, is no sentence, unless the record has nothing else.
    """
    text = without_contacts(record)
    pieces = sentences(text, MAX_SENTENCES) or [text.strip()[:MAX_BULLET_CHARACTERS] or UNTITLED]
    pieces = [piece for piece in pieces if words(piece[:MAX_BULLET_CHARACTERS])] or pieces
    return {
        "title": title_of(_first_paragraph(text) or pieces),
        "bullets": [piece[:MAX_BULLET_CHARACTERS] for piece in _bullets(pieces)],
    }


def without_contacts(text: str) -> str:
    """The text without telephone numbers and mail addresses."""
    return _PHONE_OR_MAIL.sub("…", text)


def _first_paragraph(text: str) -> list[str]:
    """The sentences of the first line, if it is more than a salutation: below it, another often answers."""
    first = text.strip()[: MAX_BULLET_CHARACTERS * MAX_BULLETS].partition("\n")[0]
    return sentences(first, MAX_BULLETS) if len(words(first)) >= LEAST_PARAGRAPH_WORDS else []


def _bullets(pieces: list[str]) -> list[str]:
    unique = list(dict.fromkeys(pieces))
    if len(unique) > MAX_BULLETS:
        return _most_central(unique)
    while len(unique) < ENOUGH_BULLETS:
        halves = next(((n, parts) for n, piece in enumerate(unique) if len(parts := _halves(piece)) > 1), None)
        if halves is None:
            break
        unique[halves[0] : halves[0] + 1] = halves[1]
    return unique


def _halves(sentence: str) -> list[str]:
    """A sentence in two at the clause boundary nearest to its middle, if it is long; else as it is."""
    parts = clauses(sentence) if len(words(sentence)) > LONG_SENTENCE_WORDS else [sentence]
    cuts = [
        (abs(len(" ".join(parts[:cut])) - len(sentence) / 2), cut)
        for cut in range(1, len(parts))
        if min(len(words(" ".join(side))) for side in (parts[:cut], parts[cut:])) >= LEAST_CLAUSE_WORDS
    ]
    if not cuts:
        return [sentence]
    start = sentence.find(parts[min(cuts)[1]], len(" ".join(parts[: min(cuts)[1]])) - 2)
    if start <= 0:
        return [sentence]
    first, second = sentence[:start].rstrip(" ,;:،؛–—-"), sentence[start:].strip()
    return [first, second[:1].upper() + second[1:]]


def _most_central(pieces: list[str]) -> list[str]:
    """The five sentences that share most with the others, the first always among them, in their order."""
    bags = [{word.casefold() for word in words(without_placeholders(piece))} - glue_words() for piece in pieces]
    spread = Counter(word for bag in bags for word in bag)
    centrality = [sum(math.log(spread[word]) for word in bag) / math.sqrt(len(bag) + 1) for bag in bags]
    best = sorted(range(1, len(pieces)), key=lambda n: (-centrality[n], n))[: MAX_BULLETS - 1]
    return [pieces[n] for n in (0, *sorted(best))]
