"""What analysts' corrections teach, from the topic `feedback.corrections`, read beside a worker's work."""

import asyncio
import contextlib
import logging
from types import TracebackType
from typing import NoReturn, Self

from aiokafka import AIOKafkaConsumer

from adapters.kafka.connection import KafkaConnection
from domain.corrections import LessonBook, Lessons
from domain.delivery.decoding import read_event
from domain.delivery.messages import KafkaRecord
from domain.errors import InputError, UserError
from schemas.corrections import CodesCorrected
from schemas.topics import CORRECTIONS

log = logging.getLogger(__name__)

POLL_MS = 500
AT_ONCE = 100
RETRY_SECONDS = (0.5, 30.0)


class KafkaLessons:
    """LessonsCatalogue that follows the topic, from its first message on, without a consumer group.

    Use it as an async context manager, or call `start` and `stop`. Codings do not wait for it: it begins to read when
    it is started, and until it has caught up `find` answers from what was read so far. So a record may be coded with
    fewer lessons after a restart than before; how it was coded is settled once its result is published. A topic
    that is not there, or not for us, and a Kafka that is away, are logged and tried again: nothing that it does ends a
    worker. After a lost connection everything is read again, while `find` answers from what was known.

    Values that are no corrections are left out: the consumer of corrections makes dead letters of them.

    Attributes:
        ignored: how many values were no corrections, since the reading began.

    Args:
        connection: how to reach Kafka.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._book = LessonBook()
        self._reader: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.ignored = 0

    async def start(self) -> None:
        """Begin to follow, and return at once."""
        self._reader = asyncio.create_task(self._read_again_and_again())

    async def stop(self) -> None:
        """Follow no longer."""
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def find(self, tenant_id: str, framework_id: str) -> Lessons | None:
        """See `LessonsCatalogue`."""
        return self._book.find(tenant_id, framework_id)

    async def changed(self) -> None:
        """Return when something was learned after this call was made."""
        await self._changed.wait()

    async def _read_again_and_again(self) -> NoReturn:
        shortest, longest = RETRY_SECONDS
        pause, told = shortest, ""
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._read_from_start()
            except Exception as error:  # noqa: BLE001 - lessons are a help, and no reason to stop
                problem = error.message if isinstance(error, UserError) else type(error).__name__
                level = logging.DEBUG if problem == told else logging.WARNING
                log.log(level, "corrections cannot be read (%s); trying again", problem)
                told = problem
            pause = shortest if asyncio.get_running_loop().time() - began > longest else min(2 * pause, longest)
            await asyncio.sleep(pause)

    async def _read_from_start(self) -> None:
        await self._connection.check(topic=CORRECTIONS.name)
        consumer = AIOKafkaConsumer(
            CORRECTIONS.name,
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
            book, self.ignored = LessonBook(), 0
            if self._book.is_empty:
                self._book = book
            while True:
                batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=AT_ONCE)
                learned = [self._take(book, record) for batch in batches.values() for record in batch]
                if book is not self._book and await _reached(consumer, ends):
                    self._book = book
                    learned.append(True)
                if book is self._book and any(learned):
                    self._tell()
                await asyncio.sleep(0)  # codings go first
        finally:
            await consumer.stop()

    def _take(self, book: LessonBook, record: KafkaRecord) -> bool:
        try:
            return book.take(read_event(record.value, CodesCorrected))
        except InputError as error:
            if not self.ignored:
                log.warning(
                    "%s partition %s offset %s holds no correction (%s); it and its like are left out",
                    *(CORRECTIONS.name, record.partition, record.offset, error.reason),
                )
            self.ignored += 1
            return False

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def _reached(consumer: AIOKafkaConsumer, ends: dict[object, int]) -> bool:
    return all([await consumer.position(partition) >= end for partition, end in ends.items()])
