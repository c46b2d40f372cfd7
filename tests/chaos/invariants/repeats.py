"""I3: work that is done again is bounded by what a disturbance can have undone."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.chaos.evidence import Disturbance, Letter, Partition, Result
from tests.chaos.invariants.book import Asked, Book
from tests.chaos.invariants.timeline import Timeline

_SHOWN = 3


@dataclass(frozen=True)
class Repeats:
    """Messages beyond the first of each id that no further publication of their input explains.

    Attributes:
        by_id: how many, by the outcome's id.
        allowed: how many the disturbances explain.
    """

    by_id: Counter[str]
    allowed: int

    @property
    def count(self) -> int:
        """All of them."""
        return self.by_id.total()


def repeats_of(book: Book) -> Repeats:
    """Count them. Each further publication of an event allows one more outcome for each of its operations.

    A part of a request that comes again allows none: its request is answered once.
    """
    by_id: Counter[str] = Counter()
    counted: set[str] = set()
    for asked in book.events.values():
        _count(by_id, asked, known=asked.answered_as in counted)
        counted.add(asked.answered_as)
    strays: Counter[str] = Counter(result.result_id for result in book.strays)
    strays.update(letter.dead_letter_id for letter in book.stray_letters)
    by_id.update({outcome: times - 1 for outcome, times in strays.items() if times > 1})
    return Repeats(by_id, allowed_repeats(book))


def _count(by_id: Counter[str], asked: Asked, *, known: bool) -> None:
    """`known`: another part of its request was counted, with the results that they share."""
    part = asked.answered_as != asked.event_id
    if part and not known:
        by_id.update({results[0].result_id: len(results) - 1 for results in asked.operations.values() if results[1:]})
    for name in {*asked.operations, *asked.letters}:
        explained = max(0, sum(not given.skipped for given in asked.inputs) - 1)
        results, letters = asked.operations.get(name, ()), asked.letters.get(name, ())
        alike: tuple[Iterable[Result | Letter], ...] = (() if part else results, letters)
        for messages in alike:
            again = max(0, len(tuple(messages)) - 1)
            unexplained = max(0, again - explained)
            explained -= again - unexplained
            if unexplained:
                by_id[_id(next(iter(messages)))] += unexplained


def _id(message: Result | Letter) -> str:
    return message.result_id if isinstance(message, Result) else message.dead_letter_id


def allowed_repeats(book: Book) -> int:
    """Over all disturbances: operations of an input x (inputs in flight + inputs finished since the last commit)."""
    if not book.evidence.disturbances:
        return 0
    in_flight = sum(disturbance.in_flight for disturbance in book.evidence.disturbances)
    return book.operations_per_input * (in_flight + _finished_since_commits(book))


def _finished_since_commits(book: Book) -> int:
    """For each disturbance the inputs at or beyond the committed offset of which an outcome stood already.

    Only on the partitions that it may make be read again. Nothing committed is the offset 0.
    """
    disturbances = sorted(book.evidence.disturbances, key=lambda disturbance: disturbance.then.at)
    timeline = Timeline(disturbance.then for disturbance in disturbances)
    count = 0
    for partition, inputs in book.by_partition.items():
        offsets = [offset for offset, _, _ in inputs]
        begun = [timeline.begun(asked) for _, _, asked in inputs]
        for number, disturbance in enumerate(disturbances):
            if _touches(disturbance, partition):
                since = bisect_left(offsets, disturbance.then.committed.get(partition, 0))
                count += sum(first <= number for first in begun[since:])
    return count


def _touches(disturbance: Disturbance, partition: Partition) -> bool:
    return disturbance.partitions is None or partition in disturbance.partitions


def bounded(repeats: Repeats, disturbances: int) -> Iterator[str]:
    """I3: repeats number at most what the disturbances explain; without any, there are none."""
    if repeats.count > repeats.allowed:
        shown = ", ".join(f"{outcome} (+{times})" for outcome, times in repeats.by_id.most_common(_SHOWN))
        bound = f"{disturbances} disturbances explain {repeats.allowed} at most"
        yield f"{repeats.count} repeats: {bound}; most often {shown}"
