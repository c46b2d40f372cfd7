"""An input as it stood on Kafka, whoever read it."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message that was read from a topic.

    Attributes:
        topic, partition, offset: where it stood.
        timestamp: the broker's timestamp of it, with an offset; None where there is none.
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
