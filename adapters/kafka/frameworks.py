"""The coding frameworks that are known now, from the compacted topic `feedback.frameworks`."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import NoReturn, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError

from adapters.kafka.connection import KafkaConnection, missing_topic
from domain.delivery.dead_letters import DeadLetters, Failure
from domain.delivery.decoding import read_event
from domain.delivery.faults import as_ours
from domain.delivery.messages import InboundMessage, KafkaRecord
from domain.delivery.tally import DeadLetterTally
from domain.errors import BrokerUnavailableError, FeedbackError, InputError, WrongSchemaError
from domain.ports import EventPublisher
from schemas.base import shown
from schemas.frameworks import CodingFramework, framework_key
from schemas.topics import FRAMEWORKS

log = logging.getLogger(__name__)

POLL_MS = 500
RETRY_SECONDS = (0.5, 30.0)


@dataclass(slots=True)
class _Shelf:
    """What the messages come to, read from the first one on.

    Attributes:
        frameworks: by their keys, which are those of their messages.
    """

    frameworks: dict[str, CodingFramework] = field(default_factory=dict)

    def put(self, framework: CodingFramework) -> bool:
        """Take a version in; whether it is another than the one before."""
        if self.frameworks.get(framework.key) == framework:
            return False
        self.frameworks[framework.key] = framework
        return True

    def withdraw(self, key: bytes | None) -> bool:
        """Drop what a message key stands for; whether there was anything."""
        return self.frameworks.pop((key or b"").decode("utf-8", "replace"), None) is not None

    def reuse(self, before: "_Shelf") -> None:
        """Keep the objects of frameworks that have not changed: what was made of them holds on."""
        for key, framework in self.frameworks.items():
            if before.frameworks.get(key) == framework:
                self.frameworks[key] = before.frameworks[key]


class KafkaFrameworkCatalogue:
    """FrameworkCatalogue that follows the topic, from its first message on, without a consumer group.

    Use it as an async context manager, or call `start` and `stop`. A lost broker is waited for; any other Kafka error
    makes it read everything again through a new connection, while `find` answers from what was known before, until as
    much is read again as there is.

    A value that is no framework becomes a dead letter, and the last good version stays; so does a framework under
    another key than its own: Kafka keeps order, and compacts, by key, so that the version that counts would depend on
    which partition is read first, and the withdrawal would not reach it. Each start of each worker reads
    the topic from its beginning and commits nothing, so it publishes that dead letter again, until a good version takes
    the place of the value: with the same `dead_letter_id`, made of the event, so that it counts once. To remember what
    was told already would need a place that all workers share, and a value that came while none ran must be told, too.

    Args:
        connection: how to reach Kafka.
        publisher: takes the dead letters.
        now: the time, with an offset.
        tally: where dead letters are counted.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        publisher: EventPublisher,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        tally: DeadLetterTally | None = None,
    ) -> None:
        self._connection = connection
        self._dead_letters = DeadLetters(publisher, now, tally)
        self._shelf = _Shelf()
        self._reported: set[tuple[int, int]] = set()
        self._changed = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow; return when everything is known that the topic held at this moment.

        Raises:
            UserError: Kafka does not answer, or the topic is not there, or not for us.
            BugError: what else keeps it from reading.
        """
        await self._connection.check(topic=FRAMEWORKS.name)
        self._reader = asyncio.create_task(self._follow())
        caught_up = asyncio.create_task(self._caught_up.wait())
        try:
            await asyncio.wait({self._reader, caught_up}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            caught_up.cancel()
        if self._reader.done():
            self._reader.result()

    async def stop(self) -> None:
        """Follow no longer."""
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._reader

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def failed(self) -> None:
        """Never return; raise what ended the reading, if anything does. A worker waits for it beside its work."""
        if self._reader is not None:
            await asyncio.shield(self._reader)
        raise RuntimeError("the catalogue of coding frameworks is not being read")

    def find(self, tenant_id: str, framework_id: str) -> CodingFramework | None:
        """The newest version of a tenant's framework, or None.

        Raises:
            FeedbackError: what ended the reading: answers would be out of date from then on.
        """
        if self._reader is not None and self._reader.done() and not self._reader.cancelled():
            self._reader.result()
        return self._shelf.frameworks.get(framework_key(tenant_id, framework_id))

    async def changed(self) -> None:
        """Return when the catalogue has changed after this call was made."""
        await self._changed.wait()

    async def _follow(self) -> None:
        try:
            await self._read_again_and_again()
        except Exception as error:  # noqa: BLE001 - told to whoever asks next
            failed: FeedbackError = as_ours(error, f"the reading of {FRAMEWORKS.name}")
        raise failed

    async def _read_again_and_again(self) -> NoReturn:
        shortest, longest = RETRY_SECONDS
        pause = shortest
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._read_from_start()
            except (TopicAuthorizationFailedError, UnknownTopicOrPartitionError) as error:
                if not self._caught_up.is_set():
                    raise missing_topic(FRAMEWORKS.name) from error
                _log_retry(error)
            except (KafkaError, BrokerUnavailableError) as error:
                _log_retry(error)
            pause = shortest if asyncio.get_running_loop().time() - began > longest else min(2 * pause, longest)
            await asyncio.sleep(pause)

    async def _read_from_start(self) -> None:
        consumer = AIOKafkaConsumer(
            FRAMEWORKS.name,
            **self._connection.client_options(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            metadata_max_age_ms=30_000,  # partitions may be added
        )
        try:
            await consumer.start()
            ends = await consumer.end_offsets(consumer.assignment())
            shelf = _Shelf()
            while True:
                for batch in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in batch:
                        await self._take(shelf, record)
                if shelf is not self._shelf and await self._reached(consumer, ends):
                    self._swap(shelf)
        finally:
            await consumer.stop()

    async def _reached(self, consumer: AIOKafkaConsumer, ends: dict[object, int]) -> bool:
        return all([await consumer.position(partition) >= end for partition, end in ends.items()])

    def _swap(self, shelf: _Shelf) -> None:
        """As much is read as there was when the reading began: it is what is known from now on."""
        shelf.reuse(self._shelf)
        self._shelf = shelf
        self._caught_up.set()
        self._tell()

    async def _take(self, shelf: _Shelf, record: KafkaRecord) -> None:
        if record.value is None:
            changed = shelf.withdraw(record.key)
        else:
            try:
                changed = shelf.put(_framework_in(record.key, record.value))
            except InputError as error:
                await self._report(record, error)
                return
        if changed and shelf is self._shelf:
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _report(self, record: KafkaRecord, error: InputError) -> None:
        place = (record.partition, record.offset)
        if place not in self._reported:
            await self._dead_letters.publish(InboundMessage.from_kafka(record), Failure.of(error))
            self._reported.add(place)


def _framework_in(key: bytes | None, value: bytes) -> CodingFramework:
    """The framework in a message.

    Raises:
        InputError: there is none, or not under its own key.
    """
    framework = read_event(value, CodingFramework)
    if key != framework.key.encode():
        ids = f"tenant_id {shown(framework.tenant_id)}, framework_id {shown(framework.framework_id)}"
        raise WrongSchemaError(
            f"The key does not match tenant_id/framework_id ({ids}); it must be {shown(framework.key)} "
            "(with / inside an id written as %2F, and % as %25)."
        )
    return framework


def _log_retry(error: Exception) -> None:
    log.warning("the coding frameworks cannot be read (%s); trying again", type(error).__name__)
