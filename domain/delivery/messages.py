"""An input as it stood on Kafka, whoever read it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from schemas.base import PLAUSIBLE_YEARS
from schemas.sources import Source

MILLISECONDS = 1000


class KafkaRecord(Protocol):
    """A message as a Kafka client hands it out."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> float | None: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]] | None: ...


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message that was read from a topic.

    Attributes:
        topic, partition, offset: where it stood.
        timestamp: when it was sent, as its Kafka timestamp says; None where there is none, or an impossible one.
        key, value: its bytes, as they came.
        headers: its headers in their order, names not unique.
    """

    topic: str
    partition: int
    offset: int
    timestamp: datetime | None
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[tuple[str, bytes | None], ...] = field(repr=False, default=())

    @property
    def where(self) -> str:
        """Where it stood, in words for the log."""
        return f"{self.topic} partition {self.partition} offset {self.offset}"

    @property
    def source(self) -> Source:
        """The same for an event."""
        return Source(topic=self.topic, partition=self.partition, offset=self.offset, timestamp=self.timestamp)

    @classmethod
    def from_kafka(cls, record: KafkaRecord, ticks_per_second: int = MILLISECONDS) -> "InboundMessage":
        """A client's record. Kafka's clients count timestamps in milliseconds; Faust counts seconds."""
        return cls(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=moment_of(record.timestamp, ticks_per_second),
            key=record.key,
            value=record.value,
            headers=tuple(record.headers or ()),
        )


def moment_of(ticks: float | None, ticks_per_second: int = MILLISECONDS) -> datetime | None:
    """A Kafka timestamp. A producer may send any 64 bits: microseconds, -1 for none.

    What is no time, or of a year that our events do not take, is none, and stops nobody.
    """
    if ticks is None or ticks < 0:
        return None
    try:
        moment = datetime.fromtimestamp(ticks / ticks_per_second, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.year in PLAUSIBLE_YEARS else None
