"""I4: what the provider served is what stands in the table, except what a SIGKILL cut off."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from tests.chaos.evidence import Call, Disturbance, Evidence, Served
from tests.chaos.invariants.book import Book
from tests.chaos.invariants.timeline import Timeline

_A_MOMENT = 2.0
"""Seconds before a kill in which an answer may have come whose event was not acknowledged yet."""
_LONGEST = 15.0
"""The same where the kill found the input without any outcome: on a busy machine Kafka takes its time."""

_LAST_PLACE = Decimal("1e-12")
_FIGURES = ("input_tokens", "output_tokens", "cost_usd")


@dataclass(slots=True)
class Pair:
    """The attempts for one operation on one subject: as the provider saw them, as they are counted."""

    subject: str
    task: str
    served: list[Served] = field(default_factory=list)
    rows: list[Call] = field(default_factory=list)
    cut: int = 0
    """Attempts that were under way in a kill."""
    excused: int = 0
    """Attempts without a row that a kill explains."""

    @property
    def missing(self) -> int:
        """Attempts without a row. A row of one that never reached the provider makes up for none that did."""
        return max(0, len(self.served) - (len(self.rows) - self._unseen))

    @property
    def surplus(self) -> int:
        """Rows of attempts that the provider would have seen, and did not."""
        return max(0, len(self.rows) - self._unseen - len(self.served))

    @property
    def _unseen(self) -> int:
        """Rows of attempts that the provider did not see: those without a status that no attempt cut short explains.

        An attempt whose body was cut short may have a row with a status, too: such rows have their attempts first.
        """
        without_status = sum(row.http_status is None and row.status == "error" for row in self.rows)
        cut_short = sum(served.status is None for served in self.served)
        left = len(self.served) - (len(self.rows) - without_status)
        return without_status - min(without_status, max(0, min(cut_short, left)))

    @property
    def named(self) -> str:
        """For people."""
        return f"{self.task} of {self.subject}"


def pairs_of(book: Book) -> list[Pair]:
    """All attempts, paired, with what the kills explain. A call that is stored twice is taken once: I5 tells of it."""
    pairs: dict[tuple[str, str], Pair] = {}
    for served in book.evidence.served:
        key = served.subject, served.task
        pairs.setdefault(key, Pair(*key)).served.append(served)
    for row in counted_calls(book.evidence).values():
        if row.call_id not in book.evidence.foreign_calls:
            key = row.record_id or "", row.operation
            pairs.setdefault(key, Pair(*key)).rows.append(row)
    found = list(pairs.values())
    _excuse([pair for pair in found if pair.missing], book)
    return found


def counted_calls(evidence: Evidence) -> dict[str, Call]:
    """The table by call id; in a case without a database, what stands on the topic."""
    if without_database(evidence):
        return {message.call.call_id: message.call for message in evidence.topic_calls if message.call}
    return {row.call_id: row for row in evidence.rows}


def without_database(evidence: Evidence) -> bool:
    """Whether nobody tells of a table."""
    return not evidence.rows and evidence.told_by_sql is None and evidence.told_by_api is None


def _excuse(pairs: list[Pair], book: Book) -> None:
    """Give each kill the missing attempts that were under way in it, first those that no later kill explains."""
    kills = sorted(
        (disturbance for disturbance in book.evidence.disturbances if disturbance.kind == "kill"),
        key=lambda kill: kill.began,
    )
    touched: dict[int, list[tuple[int, int, Pair]]] = defaultdict(list)
    answered = _answered(book, kills) if pairs else {}

    def last_of(served: Served) -> int:
        return max(answered.get((subject, served.task), len(kills)) for subject in served.subjects)

    for pair in pairs:
        cut_by = [
            [
                number
                for number, kill in enumerate(kills)
                if _cut(served, kill, _LONGEST if number < last_of(served) else _A_MOMENT)
            ]
            for served in pair.served
        ]
        pair.cut = sum(map(bool, cut_by))
        numbers = set().union(*cut_by)
        for number in numbers:
            touched[number].append((max(numbers), sum(number in each for each in cut_by), pair))
    for number, kill in enumerate(kills):
        room = kill.in_flight * book.calls_per_input
        for _, cut, pair in sorted(touched[number], key=lambda entry: entry[0]):
            taken = min(room, cut, min(pair.missing, pair.cut) - pair.excused)
            pair.excused += taken
            room -= taken


def _answered(book: Book, kills: list[Disturbance]) -> dict[tuple[str, str], int]:
    """The first kill after each first outcome, by the record's or request's id and the operation."""
    timeline = Timeline(kill.then for kill in kills)
    found: dict[tuple[str, str], int] = {}
    for asked in book.events.values():
        for operation, results in asked.operations.items():
            for result in results:
                key = result.subject, operation
                found[key] = min(found.get(key, timeline.never), timeline.seen(result))
    return found


def _cut(served: Served, kill: Disturbance, slack: float) -> bool:
    """Whether an attempt, or the sending of its event, was under way in a kill, by its time."""
    return served.began <= kill.ended and (served.ended is None or served.ended >= kill.began - slack)


def every_attempt_counted(pairs: list[Pair]) -> Iterator[str]:
    """I4: each attempt that the provider saw has a row, unless it was under way in a SIGKILL."""
    for pair in pairs:
        if pair.missing > pair.excused:
            told = f"served {len(pair.served)} times, {len(pair.rows)} rows, {pair.excused} cut off by a kill"
            yield f"{pair.named}: {told}"


def no_attempt_made_up(pairs: list[Pair]) -> Iterator[str]:
    """I4: each row was seen by the provider, unless it says that it never reached it."""
    for pair in pairs:
        if pair.surplus:
            yield f"{pair.named}: {pair.surplus} rows too many, the provider saw {len(pair.served)} attempts"


def figures_as_served(pairs: list[Pair]) -> Iterator[str]:
    """I4: tokens and cost of the rows are those of the complete answers; never more, less only where rows are missing.

    Costs may differ by the rounding of their twelfth place.
    """
    for pair in pairs:
        may_lack = pair.missing > 0
        told = zip(
            _FIGURES, _totals(each for each in pair.served if each.status == 200), _totals(pair.rows), strict=True
        )
        for name, served, stored in told:
            bound = _LAST_PLACE * (len(pair.served) + len(pair.rows)) if name == "cost_usd" else 0
            if stored - served > bound or (not may_lack and served - stored > bound):
                yield f"{pair.named}: {name} served {served}, stored {stored}"


def _totals(counted: Iterable[Served | Call]) -> tuple[int | Decimal, ...]:
    read, written, cost = 0, 0, Decimal(0)
    for each in counted:
        read += each.input_tokens or 0
        written += each.output_tokens or 0
        cost += each.cost_usd or 0
    return read, written, cost
