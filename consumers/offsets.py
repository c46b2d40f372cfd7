"""How far a consumer has settled its partitions, and how far that is committed."""

from collections.abc import Collection, Iterable, Mapping

from aiokafka import ConsumerRecord, TopicPartition

Offsets = Mapping[TopicPartition, int]


class SettledOffsets:
    """The offsets of what is settled, from one assignment of partitions to the next.

    Attributes:
        assignment: changes whenever something is let go: what was begun under another number says nothing of now.
    """

    def __init__(self) -> None:
        self.assignment = 0
        self._settled: dict[TopicPartition, int] = {}
        self._safe: dict[TopicPartition, int] = {}

    @property
    def settled(self) -> Offsets:
        """The offset behind the last settled record of each partition."""
        return self._settled

    def settle(self, records: Iterable[ConsumerRecord], assignment: int) -> None:
        """These are settled, in the order of their offsets; they were read under that assignment."""
        if assignment == self.assignment:
            for record in records:
                self._settled[TopicPartition(record.topic, record.partition)] = record.offset + 1

    def committed(self, offsets: Offsets, assignment: int) -> None:
        """The broker has these; they were sent under that assignment."""
        if assignment == self.assignment:
            self._safe.update(offsets)

    def uncommitted(self, offsets: Offsets, mine: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Which of these the broker does not have yet, in the partitions that are ours."""
        return {tp: offset for tp, offset in offsets.items() if tp in mine and self._safe.get(tp) != offset}

    def forget(self, topics: Collection[str]) -> None:
        """These topics' partitions are given up, or are others now: offsets of ours would send their readers astray."""
        self.assignment += 1
        for offsets in (self._settled, self._safe):
            for partition in [partition for partition in offsets if partition.topic in topics]:
                del offsets[partition]
