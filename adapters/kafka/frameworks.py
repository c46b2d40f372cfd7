"""The coding frameworks that are known now, from the compacted topic `feedback.frameworks`."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from adapters.kafka.connection import KafkaConnection
from domain.delivery.dead_letters import Failure, dead_letter, outbound, without_original
from domain.delivery.decoding import read_event, salvage_tenant
from domain.delivery.messages import InboundMessage
from domain.errors import BrokerUnavailableError, InputError, TooLargeError
from domain.ports import EventPublisher
from schemas.cloudevents import identify
from schemas.frameworks import CodingFramework, framework_key
from schemas.topics import FRAMEWORKS

log = logging.getLogger(__name__)

POLL_MS = 500
RETRY_SECONDS = (0.5, 30.0)


class KafkaFrameworkCatalogue:
    """FrameworkCatalogue that follows the topic, from its first message on, without a consumer group.

    Use it as an async context manager, or call `start` and `stop`. A lost broker is waited for; any other Kafka error
    makes it read everything again through a new connection, while `find` answers from what is known. A value that is
    no framework becomes a dead letter, and the last good version stays; every start of every worker reads it again,
    so its dead letter may be repeated, under the same id.

    Args:
        connection: how to reach Kafka.
        publisher: takes the dead letters.
        now: the time, with an offset.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        publisher: EventPublisher,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection = connection
        self._publisher = publisher
        self._now = now
        self._known: dict[str, CodingFramework] = {}
        self._keys: dict[bytes | None, str] = {}  # message key -> framework's key
        self._reported: set[tuple[int, int]] = set()
        self._changed = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow; return when everything is known that the topic held at this moment.

        Raises:
            UserError: Kafka does not answer.
            BaseException: what else keeps it from reading.
        """
        await self._connection.check()
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
            BaseException: what ended the reading: answers would be out of date from then on.
        """
        if self._reader is not None and self._reader.done() and not self._reader.cancelled():
            self._reader.result()
        return self._known.get(framework_key(tenant_id, framework_id))

    async def changed(self) -> None:
        """Return when the catalogue has changed after this call was made."""
        await self._changed.wait()

    async def _follow(self) -> None:
        shortest, longest = RETRY_SECONDS
        pause = shortest
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._read_from_start()
            except (KafkaError, BrokerUnavailableError) as error:
                log.warning("the coding frameworks cannot be read (%s); trying again", type(error).__name__)
            pause = shortest if asyncio.get_running_loop().time() - began > longest else min(2 * pause, longest)
            await asyncio.sleep(pause)

    async def _read_from_start(self) -> None:
        consumer = AIOKafkaConsumer(
            FRAMEWORKS.name,
            **self._connection.client_options(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            metadata_max_age_ms=30_000,  # partitions may be added
        )
        try:
            await consumer.start()
            ends = await consumer.end_offsets(consumer.assignment())
            while True:
                for batch in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in batch:
                        await self._take(record)
                if not self._caught_up.is_set() and await self._reached(consumer, ends):
                    self._caught_up.set()
        finally:
            await consumer.stop()

    async def _reached(self, consumer: AIOKafkaConsumer, ends: dict[object, int]) -> bool:
        return all([await consumer.position(partition) >= end for partition, end in ends.items()])

    async def _take(self, record: "ConsumerRecord[bytes | None, bytes | None]") -> None:
        if record.value is None:
            self._withdraw(record.key)
            return
        try:
            framework = read_event(record.value, CodingFramework)
        except InputError as error:
            await self._report(record, error)
            return
        self._keys[record.key] = framework.key
        if self._known.get(framework.key) != framework:
            self._known[framework.key] = framework
            self._tell()

    def _withdraw(self, key: bytes | None) -> None:
        named = self._keys.pop(key, None) or (key or b"").decode("utf-8", "replace")
        if self._known.pop(named, None) is not None:
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _report(self, record: "ConsumerRecord[bytes | None, bytes | None]", error: InputError) -> None:
        place = (record.partition, record.offset)
        if place in self._reported:
            return
        message = InboundMessage(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=datetime.fromtimestamp(record.timestamp / 1000, UTC) if record.timestamp >= 0 else None,
            key=record.key,
            value=record.value,
            headers=tuple(record.headers),
        )
        identity = identify(message.topic, message.key, message.value, message.headers)
        tenant = salvage_tenant(message.value)
        letter = dead_letter(message, identity, Failure.of(error), tenant_id=tenant, failed_at=self._now())
        try:
            await self._publisher.publish(outbound(letter, message.key, identity.trace_id))
        except TooLargeError:
            await self._publisher.publish(outbound(without_original(letter), message.key, identity.trace_id))
        self._reported.add(place)
        log.warning("a value on %s is no coding framework (%s): dead letter", record.topic, error.reason)
