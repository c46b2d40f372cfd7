"""A title by extraction: the run of 3 to 5 words of a record that stands best on its own.

Nothing is understood. A run is preferred that begins and ends where a phrase or a clause does, that is not torn from
a negation or from what it hangs on, that says much, and that stands early in the record, after the words that only
say who reports. In English, articles and most forms of "to be" are left out, as in headlines.

Embeddings would say which run is nearest to the record, but encoding even one text costs eight times as much.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from adapters.offline.edges import CLAUSE_BEGINS, PAST, Edge, beginning, ending
from adapters.offline.glue import Role, grammars, language_of
from adapters.offline.speech_acts import reporting_end
from adapters.offline.texts import HIDDEN, hidden
from adapters.offline.tokens import MAX_TOKENS, PUNCTUATION, Token, tokens_of

FEWEST_WORDS, MOST_WORDS = 3, 5
MAX_SENTENCES = 3
MAX_CHARACTERS = 80
UNSPACED_CHARACTERS = 16
MAX_UNSPACED_CHARACTERS = 40
_UNSPACED = re.compile("[\u0e01-\u0ece\u1000-\u109f\u1780-\u17d3\u3041-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese: no spaces between words, so that a "word" may be a paragraph."""
UNTITLED = "…"

LATER_SENTENCE = 1.7
LATER_WORD = 0.03
WHO_REPORTS = 2.0
WHOLE_CLAUSE = 0.8
MORE_THAN_A_NOUN = 1.5
_NO_NOUN = (Role.AUXILIARY, Role.PRONOUN, Role.CONJUNCTION, Role.RELATIVE, Role.NEGATION)
_WEIGHTS = {Role.NEGATION: 0.3, Role.PRONOUN: -0.4, Role.CONJUNCTION: -0.5, Role.RELATIVE: -0.5}
_GLUE_WEIGHT = -0.05

_HEADLINES_WITHOUT = ("is", "are", "was", "were", "been", "being")


def title_of(sentences: Sequence[str]) -> str:
    """A title made of one sentence's own words, in their order; the first letter is a capital.

    A placeholder of personal data neither begins nor ends it, and is "…" in it.
    """
    read = [hidden(sentence) for sentence in sentences[:MAX_SENTENCES]]
    lowered = [word.strip(PUNCTUATION) for sentence in read for word in sentence.casefold().split()[:MAX_TOKENS]]
    language = language_of(lowered)
    grammar = grammars().get(language, {})
    counts = Counter(lowered)
    best, most = "", -math.inf
    for number, sentence in enumerate(read):
        tokens = tokens_of(sentence, grammar)
        spoken = [not (language == "en" and _left_out(tokens, n)) for n in range(len(tokens))]
        for first, last, worth in _runs(tokens, spoken, counts, reporting_end(sentence)):
            if worth - LATER_SENTENCE * number > most:
                most = worth - LATER_SENTENCE * number
                best = _text(sentence, tokens, spoken, first, last)
    best = (best or _opening(read[0])).replace(HIDDEN, UNTITLED)[:MAX_CHARACTERS].strip()
    if _UNSPACED.search(best):
        best = best[:MAX_UNSPACED_CHARACTERS].strip()
    return best[:1].upper() + best[1:]


def _runs(
    tokens: Sequence[Token], spoken: Sequence[bool], counts: Counter[str], reported: int
) -> Iterator[tuple[int, int, float]]:
    """Every run of 3 to 5 words inside a clause that may be a title: its first word, its last, its worth."""
    ends = [ending(tokens, n) for n in range(len(tokens))]
    weights = [_weight(token, counts) for token in tokens]
    for first in range(len(tokens)):
        begin = beginning(tokens, first, reported)
        if begin is None or tokens[first].word == HIDDEN:
            continue
        worth = begin.worth - LATER_WORD * first - (WHO_REPORTS if tokens[first].start < reported else 0.0)
        count = 0
        for last in range(first, len(tokens)):
            if last > first and tokens[last].opens:
                break
            if last > first and not spoken[last]:
                continue
            count += not _glued(tokens, first, last)
            if count > MOST_WORDS:
                break
            worth += weights[last] - (MORE_THAN_A_NOUN if begin.hangs and _no_noun(tokens[last]) else 0.0)
            end = ends[last]
            if count >= FEWEST_WORDS and end is not None and tokens[last].word != HIDDEN:
                yield first, last, worth + _together(begin, end)


def _together(begin: Edge, end: Edge) -> float:
    return end.worth + (WHOLE_CLAUSE if begin.whole and end.whole else 0.0)


def _no_noun(token: Token) -> bool:
    return token.role in _NO_NOUN or PAST.fullmatch(token.word) is not None


def _glued(tokens: Sequence[Token], first: int, at: int) -> bool:
    """Whether a word is written together with the one before, as after an elision."""
    return at > first and tokens[at - 1].end == tokens[at].start


def _text(sentence: str, tokens: Sequence[Token], spoken: Sequence[bool], first: int, last: int) -> str:
    text = ""
    for n in range(first, last + 1):
        if n == first or spoken[n]:
            space = "" if n == first or _glued(tokens, first, n) else " "
            text += space + sentence[tokens[n].start : tokens[n].end]
    return text


def _left_out(tokens: Sequence[Token], at: int) -> bool:
    """Whether an English headline leaves the word out: articles, and "to be" unless its subject is a pronoun."""
    token = tokens[at]
    if token.role is Role.ARTICLE:
        return True
    if token.opens or token.closes:
        return False
    if token.word in ("has", "have", "had"):
        return tokens[at + 1].word == "been"
    return token.word in _HEADLINES_WITHOUT and tokens[at - 1].role not in (*CLAUSE_BEGINS, Role.PRONOUN)


def _weight(token: Token, counts: Counter[str]) -> float:
    """What a word adds to a run: more, the longer it is and the more often it returns."""
    if token.word == HIDDEN:
        return 0.0
    if token.role is Role.CONTENT:
        return 0.12 * math.log(1 + len(token.word)) + 0.1 * math.log(counts[token.word] or 1)
    return _WEIGHTS.get(token.role, _GLUE_WEIGHT)


def _opening(sentence: str) -> str:
    """A title where no run will do: the first words, or the first characters of a script without spaces."""
    found = sentence.split()[:MOST_WORDS]
    text = " ".join(found).strip(PUNCTUATION + HIDDEN + " ")
    if len(found) < FEWEST_WORDS and len(text) > MAX_CHARACTERS // 2:
        text = text[:UNSPACED_CHARACTERS]
    return text or UNTITLED
