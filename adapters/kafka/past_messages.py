"""Messages by their place, looked up again: the inputs that results were made from."""

import asyncio
from collections import OrderedDict
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.topic_ids import KafkaTopicIds
from domain.delivery.messages import InboundMessage
from domain.errors import BrokerUnavailableError
from schemas.sources import Source

MAX_KEPT_BYTES = 32 * 1024 * 1024
POLL_MS = 500

Place = tuple[str, int, int]


class KafkaPastMessages:
    """Fulfils `domain.ports.PastMessages` with one consumer without a group; an async context manager.

    Kafka answers a look-up with what follows, too, and results come about in the order of their inputs: what follows is
    kept, up to 32 MiB, and most look-ups need no answer of Kafka.

    Args:
        connection: how to reach Kafka.
        patience_seconds: how long a look-up may take: an outage is waited out for so long.
    """

    def __init__(self, connection: KafkaConnection, patience_seconds: float = 300.0) -> None:
        self._patience_seconds = patience_seconds
        self._consumer = AIOKafkaConsumer(
            **connection.client_options(),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        self._ids = KafkaTopicIds(connection)
        self._one_at_a_time = asyncio.Lock()
        self._kept: OrderedDict[Place, InboundMessage] = OrderedDict()
        self._bytes = 0

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            BrokerUnavailableError: Kafka does not answer.
        """
        try:
            await self._consumer.start()
        except KafkaError as error:
            await self._consumer.stop()
            raise _unreadable(error) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self._consumer.stop()
        await self._ids.aclose()

    async def at(self, source: Source) -> InboundMessage | None:
        """See `PastMessages`."""
        place = (source.topic, source.partition, source.offset)
        async with self._one_at_a_time:
            if place not in self._kept:
                try:
                    async with asyncio.timeout(self._patience_seconds):
                        await self._fetch(TopicPartition(source.topic, source.partition), source.offset)
                except TimeoutError:
                    raise BrokerUnavailableError(
                        f"Kafka did not show a message of {source.topic} within {self._patience_seconds:.0f} seconds."
                    ) from None
                except KafkaError as error:
                    raise _unreadable(error) from error
            return self._kept.get(place)

    async def _fetch(self, partition: TopicPartition, offset: int) -> None:
        """Keep what stands there and behind it, if it is still there."""
        if partition.partition not in await self._partitions_of(partition.topic):
            return
        self._consumer.assign([partition])
        first = (await self._consumer.beginning_offsets([partition]))[partition]
        end = (await self._consumer.end_offsets([partition]))[partition]
        if not first <= offset < end:
            return
        self._consumer.seek(partition, offset)
        try:
            while await self._consumer.position(partition) <= offset:
                for records in (await self._consumer.getmany(partition, timeout_ms=POLL_MS)).values():
                    for record in records:
                        self._keep(InboundMessage.from_kafka(record))
        except OffsetOutOfRangeError:  # deleted since we looked where the partition begins
            return

    async def _partitions_of(self, topic: str) -> set[int]:
        """The topic's partitions; none only where Kafka says that there is no such topic."""
        if not await self._is_there(topic):
            return set()
        # The consumer knows the topics that it is assigned, and no others; there is no public way to have it learn one.
        partitions: set[int] = await self._consumer._client._wait_on_metadata(topic)
        return partitions

    async def _is_there(self, topic: str) -> bool:
        """Whether there is such a topic; while Kafka does not tell, it is asked again: `at` has the patience for it."""
        while True:
            try:
                return topic in await self._ids.of([topic])
            except BrokerUnavailableError:
                await asyncio.sleep(POLL_MS / 1000)

    def _keep(self, message: InboundMessage) -> None:
        place = (message.topic, message.partition, message.offset)
        if place not in self._kept:
            self._bytes += _size(message)
        self._kept[place] = message
        while self._bytes > MAX_KEPT_BYTES and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= _size(gone)


def _size(message: InboundMessage) -> int:
    return len(message.key or b"") + len(message.value or b"")


def _unreadable(error: KafkaError) -> BrokerUnavailableError:
    return BrokerUnavailableError(f"Kafka does not let the inputs of results be read ({type(error).__name__}).")
