"""The words of a sentence with what each does, and where punctuation parts them."""

import re
from dataclasses import dataclass, replace

from adapters.offline.glue import Grammar, Role

MAX_TOKENS = 60
PUNCTUATION = ".,;:!?…؟،؛。，！？：；·|«»\"“”„'‘’`()[]{}<>¿¡*_/\\–—-•۔\u200e\u200f\u200b"
_ELIDED = re.compile(r"(?:l|d|qu|n|m|t|s|j|c|lorsqu|puisqu|jusqu)['’](?=\w)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a sentence.

    Attributes:
        start, end: where it stands, in characters.
        word: in lower case.
        role: what it does.
        opens, closes: whether punctuation, or the sentence's own end, parts it from the word before or after it.
    """

    start: int
    end: int
    word: str
    role: Role
    opens: bool
    closes: bool


def tokens_of(sentence: str, grammar: Grammar) -> list[Token]:
    """The first 60 words of a sentence; what French elides before a word ("l'eau") is a word of its own."""
    tokens: list[Token] = []
    parted = True
    for match in re.finditer(r"\S+", sentence):
        text = match[0]
        bare = text.strip(PUNCTUATION)
        lead = text.index(bare)
        parted = parted or lead > 0 or not bare
        start, end = match.start() + lead, match.start() + lead + len(bare)
        elided = _ELIDED.match(bare)
        for begin, stop in [(start, start + elided.end()), (start + elided.end(), end)] if elided else [(start, end)]:
            if begin == stop:
                continue
            word = sentence[begin:stop].casefold().rstrip("'’")
            tokens.append(Token(begin, stop, word, grammar.get(word, Role.CONTENT), parted, closes=False))
            parted = False
        parted = parted or lead + len(bare) < len(text)
        if len(tokens) >= MAX_TOKENS:
            break
    for n, token in enumerate(tokens):
        if n + 1 == len(tokens) or tokens[n + 1].opens:
            tokens[n] = replace(token, closes=True)
    return tokens
