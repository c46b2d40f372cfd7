"""How far readers are behind, from offsets: what is unread, what was deleted before anybody read it."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ValidationError

from schemas.requests import Part


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One consumer group on one partition.

    Attributes:
        committed: the offset that the group reads next; None: it has none yet, and begins at the partition's beginning.
        first, end: the partition's first offset, and the one that the next message gets.
        oldest_at: the Kafka timestamp of the oldest unread message; None where there is none, or it is not known.
        oldest_part: which part of a request that message is, where it is one: the offset stands still until all parts
            are there and answered, or given up.
    """

    topic: str
    partition: int
    committed: int | None
    first: int
    end: int
    oldest_at: datetime | None = None
    oldest_part: Part | None = None

    @property
    def next(self) -> int:
        """Where the group goes on. An offset that is not there, on either side, sends it to the beginning."""
        if self.committed is None or not self.first <= self.committed <= self.end:
            return self.first
        return self.committed

    @property
    def lag(self) -> int:
        """How many offsets are unread: of messages or, here and there, of a transaction's markers."""
        return self.end - self.next

    @property
    def deleted_unread(self) -> int:
        """How many messages retention took after the group's offset: nobody read them, and nobody will."""
        return max(0, self.first - self.committed) if self.committed is not None else 0

    @property
    def beyond_the_end(self) -> bool:
        """Whether the offset is one that the partition has not come to: it was deleted, and made anew."""
        return self.committed is not None and self.committed > self.end


class _MaybePart(BaseModel):
    part: Part | None = None


def part_of(value: bytes | None) -> Part | None:
    """Which part of a request a message is, from its `part` alone; None for anything else."""
    try:
        return None if value is None else _MaybePart.model_validate_json(value).part
    except ValidationError:
        return None


@dataclass(frozen=True, slots=True)
class GroupLag:
    """One consumer group.

    Attributes:
        members: how many processes are in it now.
    """

    group: str
    members: int
    partitions: tuple[PartitionLag, ...]

    @property
    def lag(self) -> int:
        """Of all partitions."""
        return sum(one.lag for one in self.partitions)

    @property
    def deleted_unread(self) -> int:
        """Of all partitions."""
        return sum(one.deleted_unread for one in self.partitions)

    @property
    def oldest_at(self) -> datetime | None:
        """Of all partitions."""
        return min((one.oldest_at for one in self.partitions if one.oldest_at is not None), default=None)
