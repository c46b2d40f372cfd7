"""Reading a topic once, from somewhere to where it ends now, without a consumer group."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from adapters.kafka.connection import KafkaConnection
from domain.errors import BrokerUnavailableError, FeedbackError

POLL_MS = 500
STALLED_SECONDS = 60.0
"""aiokafka waits for a lost broker for ever; a person at a terminal should be told."""

Advance = Callable[[int], None]
"""Told how many offsets were passed since it was told last."""

Extent = Mapping[int, tuple[int, int]]
"""First and last offset, by partition."""


async def existing_topics(connection: KafkaConnection) -> set[str]:
    """The topics that this client may see. None is created by asking.

    Raises:
        BrokerUnavailableError: Kafka does not answer.
    """
    client = AIOKafkaClient(**connection.client_options())
    try:
        await client.bootstrap()
        return set((await client.fetch_all_metadata()).topics())
    except KafkaError as error:
        raise _unreadable("topics", error) from error
    finally:
        await client.close()


def unheard(*_: object) -> None:
    """Tells nobody."""


class TopicReader:
    """One topic, from `since` (by the messages' Kafka timestamps) or its beginning to its end at the start.

    Args:
        consumer: started, without a group.
        topic: which must be there.

    Attributes:
        firsts: the first offset that there still is, by partition.
    """

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic
        self._advance: Advance = unheard
        self.firsts: dict[int, int] = {}
        self._next: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}

    async def begin(self, since: datetime | None = None, extent: Extent | None = None) -> None:
        """Find out where to read; with `extent`, only there."""
        await self._consumer._client.force_metadata_update()  # no public way without a subscription
        numbers = self._consumer.partitions_for_topic(self._topic) or set()
        places = [TopicPartition(self._topic, number) for number in sorted(numbers)]
        self._consumer.assign(places)
        self._ends = await self._consumer.end_offsets(places)
        begins = await self._consumer.beginning_offsets(places)
        self.firsts = {place.partition: first for place, first in begins.items()}
        if since is not None:
            moment = max(0, int(since.timestamp() * 1000))
            found = await self._consumer.offsets_for_times(dict.fromkeys(places, moment))
            begins = {place: at.offset if (at := found[place]) else self._ends[place] for place in places}
        if extent is not None:
            for place in places:
                first, last = extent.get(place.partition, (self._ends[place], -1))
                begins[place] = max(begins[place], first)
                self._ends[place] = min(self._ends[place], last + 1)
        for place in places:
            self._next[place] = begins[place]
            self._consumer.seek(place, begins[place])
        self._consumer.pause(*(place for place in places if not self._open(place)))

    @property
    def total(self) -> int:
        """How many offsets there are to be passed."""
        return sum(max(0, end - self._next[place]) for place, end in self._ends.items())

    def tell(self, advance: Advance) -> None:
        """Tell of the progress from now on; `total` is what it comes to."""
        self._advance = advance

    async def batches(self) -> AsyncIterator[list[ConsumerRecord]]:
        """The messages, a few at a time; of each partition in their order.

        Raises:
            BrokerUnavailableError: nothing came for a minute.
        """
        clock = asyncio.get_running_loop().time
        moved_at = clock()
        while any(map(self._open, self._ends)):
            found = await self._consumer.getmany(timeout_ms=POLL_MS)
            for place, records in found.items():
                if wanted := [record for record in records if record.offset < self._ends[place]]:
                    yield wanted
            if await self._moved():
                moved_at = clock()
            elif clock() - moved_at > STALLED_SECONDS:
                raise BrokerUnavailableError(
                    f"Kafka sent nothing of {self._topic} for {STALLED_SECONDS:.0f} seconds, though there is more."
                )

    async def _moved(self) -> bool:
        """Note how far the reading has come; markers of transactions count, and are never handed out."""
        passed = 0
        for place in filter(self._open, list(self._ends)):
            position = min(await self._consumer.position(place), self._ends[place])
            passed += position - self._next[place]
            self._next[place] = position
            if not self._open(place):
                self._consumer.pause(place)
        if passed:
            self._advance(passed)
        return passed > 0

    def _open(self, place: TopicPartition) -> bool:
        return self._next[place] < self._ends[place]


@asynccontextmanager
async def reading(
    connection: KafkaConnection,
    topic: str,
    *,
    since: datetime | None = None,
    extent: Extent | None = None,
    committed_only: bool = True,
) -> AsyncIterator[TopicReader]:
    """A reader of a topic that exists; what it raises of Kafka's errors is told as ours.

    Args:
        connection: how to reach Kafka.
        topic: its name.
        since: where to begin; None: at the first message.
        extent: only there; partitions that are not named are not read.
        committed_only: leave out what a transaction has not committed, and what comes after it.

    Raises:
        BrokerUnavailableError: Kafka cannot be read.
    """
    consumer = AIOKafkaConsumer(
        **connection.client_options(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed" if committed_only else "read_uncommitted",
        max_poll_records=1000,
    )
    try:
        await consumer.start()
        reader = TopicReader(consumer, topic)
        await reader.begin(since, extent)
        yield reader
    except FeedbackError:
        raise
    except KafkaError as error:
        raise _unreadable(topic, error) from error
    finally:
        await consumer.stop()


def extent_of(places: Collection[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """The stretches that hold these places (partition, offset)."""
    found: dict[int, tuple[int, int]] = {}
    for partition, offset in places:
        first, last = found.get(partition, (offset, offset))
        found[partition] = (min(first, offset), max(last, offset))
    return found


def _unreadable(what: str, error: KafkaError) -> BrokerUnavailableError:
    return BrokerUnavailableError(f"Kafka does not let {what} be read ({type(error).__name__}).")
