"""Messages that Kafka deletes before they are read: worker and consumer say so, and go on with what is there."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from domain.delivery.messages import InboundMessage
from streams.status import WorkerStatus
from streams.worker import run_worker
from tests.integration.llm_calls_support import a_rig, until
from tests.integration.streams_support import Bench, bench
from tests.usage_support import MemorySink, llm_call

BIG = bytes(300_000)
MANY = 40
"""So many big ones that aiokafka cannot have fetched them all ahead."""


async def delete_before(bootstrap: str, topic: str, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


async def publish(bootstrap: str, topic: str, *values: bytes) -> int:
    """Publish to partition 0; return the offset behind the last one."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        sent = [await producer.send(topic, value, partition=0) for value in values]
        return (await asyncio.gather(*sent))[-1].offset + 1


def losses(caplog: Any, topic: str) -> list[range]:
    """What the log says of partition 0, as offsets; the count in front must be theirs."""
    found = []
    for record in caplog.records:
        if record.levelno == logging.ERROR and f" of {topic} partition 0 " in record.message:
            said = re.search(
                r"^(\d+) messages of .* were deleted before they were read \(offsets (\d+) to (\d+)\)", record.message
            )
            count, first, last = map(int, said.groups())
            assert count == last - first + 1
            found.append(range(first, last + 1))
    return found


class Gated:
    """A handler that answers while the gate is open; `offsets` of what it answered."""

    def __init__(self) -> None:
        self.gate, self.begun = asyncio.Event(), asyncio.Event()
        self.offsets: set[int] = set()

    async def ready_for_more(self) -> None:
        pass

    def reading_held(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def handle(self, message: InboundMessage) -> None:
        self.begun.set()
        await self.gate.wait()
        self.offsets.add(message.offset)


@asynccontextmanager
async def working(table: Bench, handler: Gated) -> AsyncIterator[WorkerStatus]:
    stop, status = asyncio.Event(), WorkerStatus()
    settings = table.settings(window=1, buffer=4, drain_seconds=1.0)
    work = asyncio.create_task(run_worker(settings, handler, stop, status=status))
    try:
        yield status
    finally:
        stop.set()
        await asyncio.wait_for(work, 30)


async def test_a_worker_at_work_and_one_that_was_away(kafka, tmp_path, caplog):
    async with bench(kafka.bootstrap_servers, tmp_path, partitions=1) as table:
        handler = Gated()
        async with working(table, handler) as status:
            await publish(table.bootstrap, table.topic, b"{}")
            await asyncio.wait_for(handler.begun.wait(), 30)
            end = await publish(table.bootstrap, table.topic, *[BIG] * MANY)
            await delete_before(table.bootstrap, table.topic, end - 1)
            handler.gate.set()
            await until(lambda: end - 1 in handler.offsets)
            await until(lambda: status.deleted_unread)
            [lost] = losses(caplog, table.topic)
            assert handler.offsets.isdisjoint(lost)
            assert handler.offsets | set(lost) == set(range(end))
            assert status.deleted_unread == len(lost)
            await table.until_committed(end)

        caplog.clear()
        behind = await publish(table.bootstrap, table.topic, b"{}", b"{}", b"{}")
        await delete_before(table.bootstrap, table.topic, behind)
        async with working(table, handler) as status:
            await until(lambda: status.deleted_unread)  # the partition is empty
            await table.until_committed(behind)  # and the next start has nothing to tell
            await publish(table.bootstrap, table.topic, b"{}")
            await until(lambda: behind in handler.offsets)
        assert losses(caplog, table.topic) == [range(end, behind)]
        assert status.deleted_unread == 3


class GatedSink(MemorySink):
    """Takes nothing until the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.asked = asyncio.Event(), asyncio.Event()

    async def write(self, batch: Any) -> Any:
        self.asked.set()
        await self.gate.wait()
        return await super().write(batch)


async def test_a_consumer_at_work_and_one_that_was_away(kafka, postgres, caplog):
    async with a_rig(kafka.bootstrap_servers, postgres.url) as rig:
        sink = GatedSink()
        async with rig.consuming(sink) as progress:
            await publish(rig.bootstrap, rig.topic, llm_call().to_bytes())
            await asyncio.wait_for(sink.asked.wait(), 30)
            end = await publish(rig.bootstrap, rig.topic, *[BIG] * MANY)
            await delete_before(rig.bootstrap, rig.topic, end - 1)
            sink.gate.set()
            await until(lambda: progress.deleted_unread and progress.deleted_unread + progress.dead_lettered == MANY)
            [lost] = losses(caplog, rig.topic)
            assert len(lost) == progress.deleted_unread
            assert lost.stop == end - 1
            await rig.until_committed(end)

        caplog.clear()
        behind = await publish(rig.bootstrap, rig.topic, *[llm_call().to_bytes()] * 3)
        await delete_before(rig.bootstrap, rig.topic, behind)
        async with rig.consuming(sink) as again:
            await until(lambda: again.deleted_unread)
            await rig.until_committed(behind)
            await publish(rig.bootstrap, rig.topic, llm_call().to_bytes())
            await until(lambda: again.stored)
        assert losses(caplog, rig.topic) == [range(end, behind)]
        assert again.deleted_unread == 3
