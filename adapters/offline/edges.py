"""Where a run of words may begin and end so that it stands on its own: what the small words around it tell.

The numbers only rank runs against each other. They were set by reading titles of our own samples, in five languages.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.offline.glue import Role
from adapters.offline.tokens import Token

CLAUSE_BEGINS = (Role.CONJUNCTION, Role.COORDINATOR, Role.RELATIVE)
PAST = re.compile(r"\w{2,}ed")
PAST_FIRST = -0.3
TORN_FROM_NEGATION = 1.0
NEGATION_REACHES = 3
LEAST_PREFIXED = 3

_NOUN_FOLLOWS = (Role.ARTICLE, Role.DETERMINER)
_PASSED_OVER = (*_NOUN_FOLLOWS, Role.WEAK)
_RELATIVE_OR_NOT = ("that", "que", "що")
_BOUND_NEGATIONS = frozenset(
    {"not", "never", "n", "ne", "pas", "plus", "jamais", "rien", "cannot", "can't", "won't", "couldn't", "wouldn't"}
    | {"don't", "doesn't", "didn't", "isn't", "aren't", "wasn't", "weren't", "hasn't", "haven't"}
)
"""A title may begin with "no" and "nobody", but not with these."""
_ARABIC_AND, _ARABIC_PREPOSITIONS = ("و",), ("لل", "بال")
_AFTER = {
    Role.CONJUNCTION: (0.8, True, False),
    Role.COORDINATOR: (0.3, True, False),
    Role.RELATIVE: (-0.4, False, False),
    Role.PREPOSITION: (0.2, False, True),
    Role.PRONOUN: (0.0, False, False),
    Role.AUXILIARY: (0.2, False, False),
    Role.NEGATION: (0.0, False, False),
    Role.CONTENT: (-0.6, False, False),
}
"""How well a title begins after a word: its worth, whether a clause begins, whether what begins hangs on the word."""
_BEFORE = {
    Role.CONJUNCTION: 0.9,
    Role.COORDINATOR: 0.9,
    Role.RELATIVE: 0.9,
    Role.PREPOSITION: 0.6,
    Role.AUXILIARY: 0.1,
    Role.ARTICLE: -0.4,
    Role.DETERMINER: -0.4,
    Role.NEGATION: -0.6,
    Role.PRONOUN: 0.2,
    Role.WEAK: 0.2,
    Role.CONTENT: -1.0,
}
"""How well a title ends before a word; before one that is torn from it, badly."""
_BEFORE_PAST = -0.2
_AT_THE_END = {Role.CONTENT: 1.0, Role.NEGATION: 0.8, Role.PRONOUN: 0.3, Role.WEAK: 0.3}
"""How well a title ends with a word where its clause does."""
_BEFORE_A_LAST_GLUE_WORD = 0.8
_ARABIC_AND_LAST = -0.4


@dataclass(frozen=True, slots=True)
class Edge:
    """How well a run begins or ends at a word.

    Attributes:
        worth: the more the better.
        whole: a clause begins, or ends, here as well.
        hangs: what begins here is a thing of which something was said before: it must stay a mere noun phrase.
    """

    worth: float
    whole: bool = False
    hangs: bool = False


def beginning(tokens: Sequence[Token], at: int, reported: int) -> Edge | None:
    """The worth of beginning at a word, by what stands before it; None where no title may.

    `reported` is where the words end, in characters, that only say who tells.
    """
    token = tokens[at]
    if token.role not in (Role.CONTENT, Role.NEGATION) or token.word in _BOUND_NEGATIONS or not _readable(token):
        return None
    past = PAST_FIRST if PAST.fullmatch(token.word) else 0.0
    first = at
    while not tokens[first].opens and tokens[first - 1].role in _PASSED_OVER:
        first -= 1
    if tokens[first].opens or _follows_reporting(tokens, first, reported):
        return Edge(1.0 + past, whole=True)
    determined = any(each.role in _NOUN_FOLLOWS for each in tokens[first:at])
    edge = _after(tokens, first - 1, determined)
    torn = 0.0
    if token.role is not Role.NEGATION and _negated(tokens, first):
        torn = -TORN_FROM_NEGATION * (0.3 if edge.hangs else 1.0)
    return Edge(edge.worth + past + torn, edge.whole, edge.hangs)


def ending(tokens: Sequence[Token], at: int) -> Edge | None:
    """The worth of ending at a word, by what stands after it; None where no title may."""
    token = tokens[at]
    joined = _ARABIC_AND_LAST if _prefixed(token.word, _ARABIC_AND) else 0.0
    if not _readable(token) or (token.role not in _AT_THE_END if token.closes else token.role is not Role.CONTENT):
        return None
    if token.closes:
        return Edge(_AT_THE_END[token.role] + joined, whole=True)
    after = tokens[at + 1]
    if after.closes and after.role not in (Role.CONTENT, Role.NEGATION):
        return Edge(_BEFORE_A_LAST_GLUE_WORD + joined, whole=True)
    role = after.role
    if _prefixed(after.word, _ARABIC_AND):
        role = Role.COORDINATOR
    elif _prefixed(after.word, _ARABIC_PREPOSITIONS):
        role = Role.PREPOSITION
    past = role is Role.CONTENT and PAST.fullmatch(after.word)
    return Edge((_BEFORE_PAST if past else _BEFORE[role]) + joined, whole=role in CLAUSE_BEGINS)


def _after(tokens: Sequence[Token], at: int, determined: bool) -> Edge:
    """The worth of beginning after a word of the same clause, with an article or determiner between or not."""
    previous = tokens[at]
    if previous.role is Role.CONTENT and determined:
        return Edge(0.4, hangs=True)
    if previous.role is Role.PRONOUN and _opens_clause(tokens, at):
        return Edge(0.3)
    if previous.role is Role.AUXILIARY:
        subject = at - 1 if not previous.opens and tokens[at - 1].role is Role.PRONOUN else at
        if _opens_clause(tokens, subject):
            return Edge(0.7, whole=True)
    worth, whole, hangs = _AFTER[previous.role]
    if previous.word in _RELATIVE_OR_NOT and not determined:
        worth = 0.3
    return Edge(worth, whole, hangs)


def _readable(token: Token) -> bool:
    return any(map(str.isalnum, token.word))


def _opens_clause(tokens: Sequence[Token], at: int) -> bool:
    return tokens[at].opens or tokens[at - 1].role in CLAUSE_BEGINS


def _follows_reporting(tokens: Sequence[Token], at: int, reported: int) -> bool:
    """Whether nothing but glue stands between the end of the reporting words and a word."""
    between = [token.role for token in tokens[:at] if token.start >= reported]
    return (
        0 < reported <= tokens[at].start
        and len(between) <= NEGATION_REACHES * 2
        and not {Role.CONTENT, Role.NEGATION} & set(between)
    )


def _negated(tokens: Sequence[Token], at: int) -> bool:
    """Whether one of the three words before, in the same clause, turns the meaning round."""
    for n in range(at, max(0, at - NEGATION_REACHES), -1):
        if tokens[n].opens or tokens[n - 1].role in CLAUSE_BEGINS:
            return False
        if tokens[n - 1].role is Role.NEGATION:
            return True
    return False


def _prefixed(word: str, particles: tuple[str, ...]) -> bool:
    """Whether a word begins with one of the particles that Arabic writes together with the next word."""
    return len(word) > LEAST_PREFIXED and word.startswith(particles)
