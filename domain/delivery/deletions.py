"""Which messages were deleted before they were read: by Kafka's retention, say, while nobody or somebody slow read.

A reader whose next message is gone is sent to the partition's beginning, and sees nothing but a gap in the offsets. A
gap alone proves nothing: transactions and compaction leave gaps, too. What proves it is the partition's first offset:
what lies before it and was expected is deleted. Who reads notes what arrives here, asks Kafka for the first offsets of
the partitions under suspicion, and is told what was lost.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar


class Partition(Protocol):
    """A partition of a topic; hashable."""

    @property
    def topic(self) -> str:
        """Its topic's name."""
        ...

    @property
    def partition(self) -> int:
        """Its number."""
        ...


class Offset(Protocol):
    """A message at a place."""

    @property
    def offset(self) -> int:
        """Its offset."""
        ...


P = TypeVar("P", bound=Partition)


class Opening(NamedTuple, Generic[P]):
    """A partition that was assigned, and of which nothing has arrived yet.

    Attributes:
        first: the offset that the group reads next; None: it has none, and begins wherever the partition does.
    """

    partition: P
    first: int | None


class Span(NamedTuple, Generic[P]):
    """Offsets of a partition, from `first` on, before `end`: a gap, or messages that were deleted unread."""

    partition: P
    first: int
    end: int

    @property
    def as_loss(self) -> str:
        """A sentence for the log."""
        count, place = self.end - self.first, f"{self.partition.topic} partition {self.partition.partition}"
        if count == 1:
            return f"1 message of {place} was deleted before it was read (offset {self.first}); it has no outcome"
        told = f"offsets {self.first} to {self.end - 1}"
        return f"{count} messages of {place} were deleted before they were read ({told}); they have no outcome"


Suspicion = Opening[P] | Span[P]


class Deletions(Generic[P]):
    """What one member of a group expects of its partitions, and what it was told to be lost.

    Each deleted message is told once, however often its partition is assigned anew. What is lost right behind the
    group's place may be passed (`passing`), so that whoever reads next is not told of it again.
    """

    def __init__(self) -> None:
        self._next: dict[P, int] = {}
        self._opened: dict[P, Opening[P]] = {}
        self._gaps: dict[P, list[Span[P]]] = {}
        self._told: dict[P, list[Span[P]]] = {}
        self._committed: Mapping[P, int | None] = {}
        self._lost: dict[P, dict[int, int]] = {}  # of this assignment: first offset, end
        self._earlier: set[P] = set()

    def assigned(self, committed: Mapping[P, int | None]) -> None:
        """These partitions, and no others, are read now, from the group's offsets on; None: it has none."""
        self.revoked()
        self._committed = dict(committed)
        for partition, offset in committed.items():
            self._opened[partition] = Opening(partition, offset)
            told = [one for one in self._told.pop(partition, ()) if offset is not None and one.end > offset]
            if told:
                self._told[partition] = told

    def revoked(self) -> None:
        """Nothing is read any more. Gaps that were seen stay: what came after them may have been committed."""
        self._next.clear()
        self._opened.clear()
        self._committed = {}
        self._lost.clear()
        self._earlier = set(self._gaps)

    def arrived(self, partition: P, messages: Sequence[Offset]) -> bool:
        """These messages, one at least, are read now, in this order; whether that raises a suspicion."""
        first, last = messages[0].offset, messages[-1].offset
        expected = self._next.get(partition)
        self._next[partition] = last + 1
        if expected == first and last - first + 1 == len(messages):
            return False
        self._look_closely(partition, expected, messages)
        return partition in self._gaps

    def suspicions(self) -> list[Suspicion[P]]:
        """What to ask Kafka about: the first offset of each of these partitions."""
        return [*self._opened.values(), *(gap for gaps in self._gaps.values() for gap in gaps)]

    def resolve(self, asked: Iterable[Suspicion[P]], beginnings: Mapping[P, int]) -> list[Span[P]]:
        """What is lost for certain.

        Args:
            asked: `suspicions`, of the time before Kafka was asked.
            beginnings: its answers; a suspicion whose partition is missing stays.
        """
        lost: list[Span[P]] = []
        for suspicion in asked:
            beginning = beginnings.get(suspicion.partition)
            if beginning is None or not self._settled(suspicion, beginning) or suspicion.first is None:
                continue
            end = min(beginning, suspicion.end) if isinstance(suspicion, Span) else beginning
            self._note(suspicion, end)
            lost += self._untold(suspicion.partition, suspicion.first, end, beginning)
        return lost

    def passing(self, finished: Mapping[P, int]) -> dict[P, int]:
        """The offsets that may be committed where these may be: further where what comes next is lost.

        Nothing that is there is passed, nor anything that arrived: what is lost lay before the partition's beginning
        when Kafka was asked, in this assignment. That the topic is still the same is for the caller to see to.

        Args:
            finished: by partition, the offset before which all is finished; without those where nothing is yet, whose
                place is the group's own.
        """
        offsets = dict(finished)
        for partition, ends in self._lost.items():
            place = finished.get(partition, self._committed.get(partition))
            while place is not None and place in ends:
                place = offsets[partition] = ends[place]
        return offsets

    def _note(self, suspicion: Suspicion[P], end: int) -> None:
        """What is lost from some place on. A gap seen in an earlier assignment may have been asked about in it, too,
        and so of another topic of that name.
        """
        partition, first = suspicion.partition, suspicion.first
        if first is not None and first < end and not (isinstance(suspicion, Span) and partition in self._earlier):
            self._lost.setdefault(partition, {})[first] = end

    def _look_closely(self, partition: P, expected: int | None, messages: Sequence[Offset]) -> None:
        opened = self._opened.pop(partition, None)
        if opened is not None:
            expected = opened.first
        gaps = self._gaps.pop(partition, [])
        first = messages[0].offset
        if expected is None:
            expected = first
        elif first < expected:  # sent back: what is missing from here on is seen again
            gaps = [gap._replace(end=min(gap.end, first)) for gap in gaps if gap.first < first]
            expected = first
            self._lost.pop(partition, None)  # what is there is not lost, whatever Kafka said
        for message in messages:
            if message.offset > expected:
                gaps.append(Span(partition, expected, message.offset))
            expected = message.offset + 1
        if gaps:
            self._gaps[partition] = gaps

    def _settled(self, suspicion: Suspicion[P], beginning: int) -> bool:
        """Take a suspicion off; False: it is gone, or another one by now, that Kafka's answer may be too old for."""
        partition = suspicion.partition
        if isinstance(suspicion, Opening):
            if self._opened.get(partition) is not suspicion:
                return False
            del self._opened[partition]
            self._next[partition] = max(beginning, suspicion.first or 0)
            return True
        gaps = self._gaps.pop(partition, [])
        left = [gap for gap in gaps if gap is not suspicion]
        if left:
            self._gaps[partition] = left
        return len(left) < len(gaps)

    def _untold(self, partition: P, first: int, end: int, beginning: int) -> list[Span[P]]:
        """The parts of a loss that were not told before."""
        told = self._told.get(partition, [])
        if any(one.end > beginning for one in told):  # a beginning never goes back: the topic was made anew
            told = []
        parts: list[Span[P]] = []
        for one in sorted(told):
            if first < min(one.first, end):
                parts.append(Span(partition, first, min(one.first, end)))
            first = max(first, one.end)
        if first < end:
            parts.append(Span(partition, first, end))
        self._told[partition] = told + parts
        return parts
