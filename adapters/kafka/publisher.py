"""Durable sends: a message counts as published when all in-sync replicas have it."""

import asyncio
import logging
from enum import Enum, auto
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.partitioner import DefaultPartitioner

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.diagnosis import Listening
from domain.errors import BrokerUnavailableError, TooLargeError, UserError
from domain.ports import OutboundMessage

log = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 4 * 1024 * 1024
MAX_BATCH_BYTES = 256 * 1024
CLOSE_SECONDS = 3.0
RETRY_SECONDS = 0.2
_FORBIDDEN = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)


class _End(Enum):
    """How one try to send ended."""

    ACKNOWLEDGED = auto()
    MAY_BE_REPEATED = auto()
    BATCH_TOO_LARGE = auto()


class KafkaPublisher:
    """EventPublisher over one idempotent producer; an async context manager, used from one event loop.

    aiokafka retries what is transient by itself and for ever, without repeating or reordering. Any other failure leaves
    a hole in the producer's sequence numbers, and every later batch of that partition is refused: the producer is
    replaced then, and what it had not delivered is sent again by its successor (and may then stand on Kafka twice).

    Args:
        connection: how to reach Kafka.
        delivery_timeout: seconds that one message may take, retries included.
        linger_ms: how long a batch waits for more. Beside an LLM call 5 ms are nothing, and a steady trickle costs a
            quarter less CPU than with 0.
    """

    def __init__(self, connection: KafkaConnection, delivery_timeout: float, linger_ms: int = 5) -> None:
        self._connection = connection
        self._delivery_timeout = delivery_timeout
        self._linger_ms = linger_ms
        self._producer: AIOKafkaProducer | None = None
        self._replacing = asyncio.Lock()
        self._retired: set[asyncio.Task[None]] = set()
        self._waiting: dict[AIOKafkaProducer, set[asyncio.Timeout]] = {}

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            UserError: Kafka does not answer, or does not let this client write.
        """
        await self._connection.check()
        self._producer = await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            self._retire(producer)
        if self._retired:
            await asyncio.wait(set(self._retired))

    async def publish(self, message: OutboundMessage) -> None:
        """Return once the broker has acknowledged the message (all in-sync replicas).

        Raises:
            TooLargeError: the broker or the client refuses the message for its size, even by itself.
            BrokerUnavailableError: it was not acknowledged in time; it may or may not have arrived.
            UserError: this client may not write to the topic (any more).
        """
        alone = False
        try:
            async with asyncio.timeout(self._delivery_timeout):
                while (end := await self._sent(message, alone=alone)) is not _End.ACKNOWLEDGED:
                    if end is _End.MAY_BE_REPEATED:
                        await asyncio.sleep(RETRY_SECONDS)
                    elif alone or len(message.value or b"") > MAX_BATCH_BYTES:  # so large a one has a batch to itself
                        raise _too_large(message)
                    else:
                        alone = True
        except TimeoutError as error:
            raise BrokerUnavailableError(
                f"Kafka did not acknowledge a message to {message.topic} within {self._delivery_timeout:g} seconds."
            ) from error

    async def _sent(self, message: OutboundMessage, *, alone: bool) -> _End:
        """Try once, for as long as there is the producer: what waits for a closed one would wait for ever.

        aiokafka leaves some sends behind: those that got room in the queue after it was emptied for the last time, and
        those that wait for the partitions of a topic.
        """
        producer = self._producer
        if producer is None:
            raise BrokerUnavailableError("The publisher is closed.")
        waiting = self._waiting.setdefault(producer, set())
        try:
            async with asyncio.timeout(None) as leash:
                waiting.add(leash)
                return await self._tried(producer, message, alone=alone)
        except TimeoutError:
            if not leash.expired():
                raise
            return _End.MAY_BE_REPEATED
        finally:
            waiting.discard(leash)

    async def _tried(self, producer: AIOKafkaProducer, message: OutboundMessage, *, alone: bool) -> _End:
        """Try once, with others in a batch or alone in one."""
        try:
            receipt = await (_alone if alone else _in_a_batch)(producer, message)
        except MessageSizeTooLargeError as error:  # by the client: nothing was sent
            raise _too_large(message) from error
        except KafkaError as error:
            return await self._recovered(producer, message, error)
        try:
            await receipt
        except (MessageSizeTooLargeError, RecordListTooLargeError):  # by the broker: the whole batch
            await self._replace(producer)
            return _End.BATCH_TOO_LARGE
        except KafkaError as error:
            return await self._recovered(producer, message, error)
        return _End.ACKNOWLEDGED

    async def _recovered(self, producer: AIOKafkaProducer, message: OutboundMessage, error: KafkaError) -> _End:
        log.debug("a message to %s was not taken (%s)", message.topic, type(error).__name__)
        if not error.retriable:
            await self._replace(producer)
        if isinstance(error, _FORBIDDEN):
            raise _forbidden(message.topic, error) from error
        return _End.MAY_BE_REPEATED

    async def _replace(self, broken: AIOKafkaProducer) -> None:
        """Put another producer in the place of a broken one, once for all who noticed."""
        async with self._replacing:
            if self._producer is not broken:
                return
            log.warning("the Kafka producer is replaced by a new one")
            self._producer = await self._start()
            self._retire(broken)

    async def _start(self) -> AIOKafkaProducer:
        while True:
            producer = AIOKafkaProducer(
                **self._connection.client_options(),
                acks="all",
                enable_idempotence=True,
                linger_ms=self._linger_ms,
                max_request_size=MAX_REQUEST_BYTES,
                # With aiokafka's 16 KiB a thousand senders wake each other in turn, at four times the CPU.
                max_batch_size=MAX_BATCH_BYTES,
                request_timeout_ms=20_000,
            )
            try:
                with Listening("aiokafka.producer.sender"):  # what it says of a refusal is said below
                    await producer.start()
            except _FORBIDDEN as error:
                await _close(producer)
                raise _forbidden("any topic", error) from error
            except KafkaError as error:
                log.warning("Kafka cannot be reached (%s)", type(error).__name__)
                await _close(producer)
            except BaseException:
                await _close(producer)
                raise
            else:
                return producer
            await asyncio.sleep(RETRY_SECONDS)

    def _retire(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.create_task(_close(producer))
        self._retired.add(task)
        task.add_done_callback(lambda task: self._ended(producer, task))

    def _ended(self, producer: AIOKafkaProducer, task: asyncio.Task[None]) -> None:
        self._retired.discard(task)
        for leash in self._waiting.pop(producer, ()):
            leash.reschedule(0)


async def _in_a_batch(producer: AIOKafkaProducer, message: OutboundMessage) -> "asyncio.Future[object]":
    receipt: asyncio.Future[object] = await producer.send(
        message.topic, message.value, message.key, headers=list(message.headers)
    )
    return receipt


async def _alone(producer: AIOKafkaProducer, message: OutboundMessage) -> "asyncio.Future[object]":
    """A message in a batch of its own, on the partition that it would have had."""
    partitions = sorted(await producer.partitions_for(message.topic))
    batch = producer.create_batch()
    batch.append(timestamp=None, key=message.key, value=message.value, headers=list(message.headers))
    batch.close()
    partition = DefaultPartitioner()(message.key, partitions, partitions)
    receipt: asyncio.Future[object] = await producer.send_batch(batch, message.topic, partition=partition)
    return receipt


async def _close(producer: AIOKafkaProducer) -> None:
    """Deliver what is still pending, for a while; aiokafka alone would wait for a lost broker for ever."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await producer.stop()
    except (TimeoutError, KafkaError):
        log.warning("a Kafka producer was closed with messages that were not acknowledged")
        sender = producer._sender.sender_task
        if sender is not None:
            sender.cancel()
            await asyncio.wait({sender}, timeout=1)
        await producer.client.close()


def _too_large(message: OutboundMessage) -> TooLargeError:
    size = len(message.value or b"")
    return TooLargeError(f"A message of {size} bytes is larger than what {message.topic} takes.")


def _forbidden(what: str, error: KafkaError) -> UserError:
    return UserError(
        f"Kafka does not let this client write to {what} ({type(error).__name__}).",
        "Grant its user the right to write to its topics (`feedback topics list`) and, on brokers before 2.8, "
        "IdempotentWrite on the cluster.",
    )
