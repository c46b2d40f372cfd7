"""The judge of a case: from what was observed to what was lost, doubled, repeated or told, and whether it passed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from tests.chaos.evidence import Evidence
from tests.chaos.invariants import accounts, calls, commits, outcomes, repeats, traces
from tests.chaos.invariants.book import Book

_SHOWN = 5
"""Breaches of one invariant that are told one by one; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A breach of an invariant ("I1" to "I8"), for people: it names ids and places, never what they hold."""

    invariant: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a case.

    Attributes:
        violations: the first few of each rule, and how many more there are.
        inputs: messages that the broker acknowledged, duplicates and replays among them.
        lost: outcomes that are missing, one for each operation.
        doubled: operations with both a result and a dead letter, inputs with one for the whole beside others.
        repeats: outcomes beyond the first of each id that no further publication of their input explains.
        allowed_repeats: how many of them the disturbances explain.
        dead_letters: by reason; repeats are counted once.
        calls: calls that are stored; in a case without a database, calls on the topic. Repeats are counted once.
        missing_calls: attempts without a row that were under way in a SIGKILL.
        surplus_calls: rows of attempts that the provider would have seen, and did not.
        samples: looks at commits and outcomes while the case ran.
    """

    violations: tuple[Violation, ...]
    inputs: int
    lost: int
    doubled: int
    repeats: int
    allowed_repeats: int
    dead_letters: Mapping[str, int]
    calls: int
    missing_calls: int
    surplus_calls: int
    samples: int

    @property
    def passed(self) -> bool:
        """Whether every invariant held."""
        return not self.violations


def check(evidence: Evidence) -> Verdict:
    """Judge a case by I1 to I8 of `invariants/`. Reads nothing but its argument; time is linear in it.

    Raises:
        ValueError: the evidence cannot be judged: one of its secrets is empty.
    """
    book = Book(evidence)
    again = repeats.repeats_of(book)
    pairs = calls.pairs_of(book)
    lost, doubled = list(outcomes.nothing_lost(book)), list(outcomes.nothing_doubled(book))
    found = {
        "I1": (lost, doubled),
        "I2": (outcomes.no_stray_outcomes(book), outcomes.same_owner(book)),
        "I3": (repeats.bounded(again, len(evidence.disturbances)),),
        "I4": (calls.every_attempt_counted(pairs), calls.no_attempt_made_up(pairs), calls.figures_as_served(pairs)),
        "I5": (
            accounts.topic_equals_table(evidence),
            accounts.table_from_topic(evidence),
            accounts.totals_agree(evidence),
        ),
        "I6": (commits.looked_at(evidence), commits.never_past_the_unfinished(book)),
        "I7": (outcomes.reasons_as_injected(book), outcomes.payloads_kept(book)),
        "I8": (
            traces.no_secret_told(evidence.texts, evidence.secrets),
            traces.vitals_back(evidence.vitals),
            traces.looked_at(evidence.watched, evidence.vitals, evidence.texts),
        ),
    }
    return Verdict(
        violations=tuple(chain.from_iterable(_told(name, rules) for name, rules in found.items())),
        inputs=len(evidence.inputs),
        lost=len(lost),
        doubled=len(doubled),
        repeats=again.count,
        allowed_repeats=again.allowed,
        dead_letters=Counter(reason for _, reason in {(each.dead_letter_id, each.reason) for each in book.letters}),
        calls=len(calls.counted_calls(evidence)),
        missing_calls=sum(pair.excused for pair in pairs),
        surplus_calls=sum(pair.surplus for pair in pairs),
        samples=len(evidence.samples),
    )


def _told(invariant: str, rules: Iterable[Iterable[str]]) -> Iterator[Violation]:
    """The first few breaches of each rule of an invariant, and how many more there are."""
    for rule in rules:
        sentences = list(rule)
        yield from (Violation(invariant, sentence) for sentence in sentences[:_SHOWN])
        if len(sentences) > _SHOWN:
            yield Violation(invariant, f"and {len(sentences) - _SHOWN} more like the last")
