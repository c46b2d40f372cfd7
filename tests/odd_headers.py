"""Records with header names that are not UTF-8, as clients in other languages can write them; aiokafka's cannot."""

from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

GZIP = 1
ODD = b"caf\xe9-\xff"
ODD_TOLD = r"caf\xe9-\xff"
"""How ODD is told."""

Record = tuple[bytes | None, bytes | None, list[tuple[Any, bytes | None]]]
"""Key, value, headers."""


class Name(str):
    """A header's name of any bytes."""

    __slots__ = ("raw",)

    def __new__(cls, raw: bytes) -> "Name":
        name = super().__new__(cls, raw.decode("latin-1"))
        name.raw = raw
        return name

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self.raw


def builder(codec: int = 0) -> _DefaultRecordBatchBuilderPy:
    """aiokafka's builder of batches that takes such names."""
    return _DefaultRecordBatchBuilderPy(2, codec, 0, -1, -1, 0, 2**20)


async def send(
    producer: AIOKafkaProducer, topic: str, records: Iterable[Record], partition: int = 0, codec: int = 0
) -> int:
    """Send records as one batch; returns the first one's offset. The producer must not be idempotent."""
    batch = producer.create_batch()
    batch._builder = builder(codec)
    for key, value, headers in records:
        batch.append(timestamp=None, key=key, value=value, headers=headers)
    batch.close()
    return (await (await producer.send_batch(batch, topic, partition=partition))).offset
