"""Topics -> tables, exactly once in effect.

A batch is settled (`consumers.batches`), then its offsets are committed. While the database is away the batch waits,
the partitions are paused, and the consumer goes on polling, so that it keeps its place in the group. A crash between
the two steps repeats the batch, and the rows' own ids make the repeat count for nothing.
"""

import asyncio
import logging
from collections.abc import Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from consumers.batches import BatchSettler, Progress, Tables
from consumers.connecting import left, started
from consumers.deletions import PartitionWatch
from consumers.offsets import SettledOffsets
from consumers.positions import PositionTeller
from consumers.remade import TopicWatch
from consumers.settings import TableConsumerSettings
from domain.delivery.faults import as_ours
from domain.delivery.messages import InboundMessage
from domain.errors import BrokerUnavailableError, FeedbackError
from domain.ports import EventPublisher, TopicIds
from domain.usage.freshness import PositionSink

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 2.0
"""A batch that takes longer than this waits for something: time to pause the partitions and to go on polling."""


async def consume(
    what: str,
    settings: TableConsumerSettings,
    tables: Tables,
    publisher: EventPublisher,
    stop: asyncio.Event,
    progress: Progress | None = None,
    topic_ids: TopicIds | None = None,
    positions: PositionSink | None = None,
) -> Progress:
    """Store what comes until `stop` is set; then finish the batch under way, commit it and leave the group.

    Args:
        what: what is stored, in words for the log: "LLM calls".
        settings: how to read.
        tables: which topics are read, and where their rows are stored.
        publisher: where dead letters go.
        stop: set by whoever runs the process, on SIGTERM say.
        progress: counted up as it goes, for who wants to watch; the returned one otherwise.
        topic_ids: without it, a topic that is deleted and made anew meanwhile is not noticed.
        positions: told every few seconds, and at the end, how far it is.

    Raises:
        UserError: Kafka cannot be reached at the start, or refuses us.
        BrokerUnavailableError: Kafka failed in a way that trying again does not mend.
        BugError: anything else went wrong, in the store say.
    """
    progress = progress or Progress()
    consumer = _consumer(settings)
    failed: FeedbackError | None = None
    try:
        await started(consumer, settings.kafka.get("bootstrap_servers"))
        topics = TopicWatch(consumer, tables, topic_ids)
        await _Reading(consumer, settings, tables, publisher, progress, stop, topics, positions).run()
    except Exception as error:  # noqa: BLE001 - whatever it is, it ends the consumer
        failed = as_ours(error, f"the consumer of {what}")
    finally:
        await left(consumer, settings.commit_seconds)
    if failed is not None:
        raise failed
    counts = (progress.stored, progress.repeated, progress.dead_lettered, progress.passed_over)
    logger.info("%s: stored %d, repeated %d, dead letters %d, passed over %d", what, *counts)
    return progress


def _consumer(settings: TableConsumerSettings) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **settings.kafka,
        group_id=settings.group_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        session_timeout_ms=int(settings.session_seconds * 1000),
        heartbeat_interval_ms=int(settings.session_seconds * 300),
        # Whoever gives up partitions first settles and commits its batch.
        rebalance_timeout_ms=int((settings.drain_seconds + settings.commit_seconds + 5) * 1000),
        # A topic that is created after us is seen after this long.
        metadata_max_age_ms=10_000,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )


class _Reading(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The loop of one consumer: gather, settle, commit."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        settings: TableConsumerSettings,
        tables: Tables,
        publisher: EventPublisher,
        progress: Progress,
        stop: asyncio.Event,
        topics: TopicWatch,
        positions: PositionSink | None,
    ) -> None:
        self._consumer = consumer
        self._settings = settings
        self._names = sorted(tables)
        self._named = ", ".join(self._names)
        self._settler = BatchSettler(tables, publisher, progress)
        self._stop = stop
        self._topics = topics
        self._deletions = PartitionWatch(consumer, progress, settings.commit_seconds)
        self._positions = PositionTeller(consumer, self._unsettled, positions, progress)
        self._read_ahead: list[ConsumerRecord] = []
        self._under_way: list[ConsumerRecord] = []
        self._offsets = SettledOffsets()
        self._at_rest = asyncio.Event()
        self._at_rest.set()

    async def run(self) -> None:
        """Go round until `stop` is set."""
        self._consumer.subscribe(self._names, listener=self)
        stopping = asyncio.create_task(self._stop.wait())
        watching = [asyncio.create_task(watch.run()) for watch in (self._deletions, self._topics, self._positions)]
        try:
            while not self._stop.is_set():
                records = await self._gather(stopping)
                for ended in (task for task in watching if task.done()):
                    ended.result()  # a watch goes on for ever: one that does not is a fault, and no silent one
                self._at_rest.clear()
                try:
                    if records and not await self._settle(records, stopping):
                        return
                    await self._commit()
                finally:
                    self._at_rest.set()
        finally:
            stopping.cancel()
            for task in watching:
                task.cancel()
            await asyncio.wait(watching)
            await self._deletions.last_look()
            await self._positions.tell()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Log it, and see where the group stands."""
        for topic in self._names:
            of_topic = "" if len(self._names) == 1 else f" of {topic}:"
            logger.info(
                "reading partitions%s %s", of_topic, sorted(tp.partition for tp in assigned if tp.topic == topic)
            )
        remade = await self._topics.given(assigned, self._forget)
        if kept := [tp for tp in assigned if tp.topic not in remade]:
            await self._deletions.given(kept)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Let the batch under way end and be committed, if that does not take too long; others go on from there."""
        del revoked
        # Not settled, not committed: whoever has the partition next reads it again.
        self._read_ahead.clear()
        try:
            await asyncio.wait_for(self._at_rest.wait(), self._settings.drain_seconds)
        except TimeoutError:
            logger.warning("partitions are given up with a batch under way; it will be repeated, and counted once")
        # Whoever has a partition meanwhile may get further: an offset of ours, committed later, would send all back.
        self._forget(self._names)
        self._deletions.revoked()

    def _forget(self, topics: Collection[str]) -> None:
        """Let go of what was read of these topics. Of others nothing, while they are ours: it is not read again."""
        self._read_ahead = [record for record in self._read_ahead if record.topic not in topics]
        self._offsets.forget(topics)

    async def _gather(self, stopping: asyncio.Task[bool]) -> list[ConsumerRecord]:
        """The next batch: as soon as it is full, or `max_wait_seconds` after its first message."""
        deadline: float | None = None
        clock = asyncio.get_running_loop().time
        while len(self._read_ahead) < self._settings.max_rows and not stopping.done():
            if self._read_ahead and deadline is None:
                deadline = clock() + self._settings.max_wait_seconds
            patience = POLL_SECONDS if deadline is None else deadline - clock()
            if patience <= 0:
                break
            poll = self._poll(patience, self._settings.max_rows - len(self._read_ahead))
            await asyncio.wait({poll, stopping}, return_when=asyncio.FIRST_COMPLETED)
            found = await self._polled(poll)
            if not found and deadline is None and self._uncommitted():
                break
        self._under_way, self._read_ahead = self._read_ahead, []
        return self._under_way

    def _unsettled(self, partition: TopicPartition) -> int | None:
        """The first offset of a partition that was read, and is not settled."""
        read = (*self._under_way, *self._read_ahead)
        return min((one.offset for one in read if (one.topic, one.partition) == partition), default=None)

    async def _settle(self, records: list[ConsumerRecord], stopping: asyncio.Task[bool]) -> bool:
        """Settle a batch; False where `stop` was set and it could not be done in time."""
        assignment = self._offsets.assignment
        settling = asyncio.create_task(self._settler.settle([InboundMessage.from_kafka(record) for record in records]))
        try:
            done, _ = await asyncio.wait({settling}, timeout=PATIENCE_SECONDS)
            if not done:
                await self._wait_polling(settling, stopping)
            if not settling.done():
                logger.warning("stopping with a batch of %d under way; it will be repeated", len(records))
                return False
            settling.result()
        finally:
            await _cancelled(settling)
        self._offsets.settle(records, assignment)
        self._under_way = []
        return True

    async def _wait_polling(self, settling: asyncio.Task[None], stopping: asyncio.Task[bool]) -> None:
        """Wait for the batch with all partitions paused; what a rebalance brings meanwhile is kept for later."""
        clock = asyncio.get_running_loop().time
        deadline: float | None = None
        while not settling.done():
            if deadline is None and stopping.done():
                deadline = clock() + self._settings.drain_seconds
            if deadline is not None and clock() >= deadline:
                return
            self._consumer.pause(*self._consumer.assignment())
            poll = self._poll(POLL_SECONDS, self._settings.max_rows)
            await asyncio.wait({poll, settling}, return_when=asyncio.FIRST_COMPLETED, timeout=POLL_SECONDS)
            await self._polled(poll)
        self._consumer.resume(*(self._consumer.paused() & self._consumer.assignment()))

    def _poll(self, seconds: float, at_most: int) -> asyncio.Task[bool]:
        return asyncio.create_task(self._read(seconds, at_most))

    async def _read(self, seconds: float, at_most: int) -> bool:
        """Read on; whether anything came. What came is kept in the same step, and so no revocation misses it."""
        found = await self._consumer.getmany(timeout_ms=int(seconds * 1000), max_records=at_most)
        for records in found.values():
            self._read_ahead += records
        self._deletions.arrived(found)
        return bool(found)

    async def _polled(self, poll: asyncio.Task[bool]) -> bool:
        await _cancelled(poll)
        if poll.cancelled():
            return False
        error = poll.exception()
        if error is None:
            return poll.result()
        if not isinstance(error, KafkaError):
            raise error
        if not error.retriable:
            raise BrokerUnavailableError(f"Kafka stopped serving {self._named} ({type(error).__name__}).")
        logger.warning("Kafka does not serve %s now (%s)", self._named, type(error).__name__)
        await asyncio.sleep(POLL_SECONDS)
        return False

    async def _commit(self) -> None:
        """Commit what is settled, as far as it is still ours; what cannot be committed now is tried again next time."""
        waiting, assignment = self._uncommitted(), self._offsets.assignment
        certain = await self._topics.unchanged({tp.topic for tp in waiting}) if waiting else set()
        offsets = {tp: offset for tp, offset in waiting.items() if tp.topic in certain}
        if not offsets:
            return
        try:
            async with asyncio.timeout(self._settings.commit_seconds):
                await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            logger.info("a batch was stored, but its partitions have moved on; its repeat counts for nothing")
        except (KafkaError, TimeoutError) as error:
            logger.warning("Kafka did not take the offsets (%s); trying again", type(error).__name__)
            return
        self._offsets.committed(offsets, assignment)

    def _uncommitted(self) -> dict[TopicPartition, int]:
        """Behind what is settled and what was lost right behind it, in the partitions that are still ours."""
        may = self._deletions.passing(self._offsets.settled)
        return self._offsets.uncommitted(may, self._consumer.assignment())


async def _cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel a task where it is not done, and wait for its end; its result or error stays in it."""
    task.cancel()
    await asyncio.wait({task})
