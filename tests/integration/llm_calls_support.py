"""A topic of LLM calls, a table for them, and consumers between the two: on a real broker and a real database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.header_names import take_any_header_names
from adapters.postgres.llm_calls import PostgresLLMCallSink
from consumers.batches import Progress
from consumers.llm_calls import LLMCallConsumerSettings, consume_llm_calls
from schemas.llm_calls import LLMCall
from tests.fakes import FakePublisher
from tests.usage_support import migrated_database

PARTITIONS = 3
SECONDS = 30


@dataclass
class Rig:
    """A topic of the test's own, a table of its own, and consumers between them."""

    bootstrap: str
    engine: AsyncEngine
    producer: AIOKafkaProducer
    topic: str = field(default_factory=lambda: f"llm.calls.{uuid4().hex[:8]}")
    publisher: FakePublisher = field(default_factory=FakePublisher)

    def settings(self, **changes: Any) -> LLMCallConsumerSettings:
        given = {"kafka": KafkaConnection(self.bootstrap).client_options(), "group_id": self.topic, "topic": self.topic}
        return LLMCallConsumerSettings(**given | {"drain_seconds": 10.0, "max_wait_seconds": 0.05} | changes)

    async def send(self, *values: LLMCall | bytes | None) -> None:
        sent = []
        for number, value in enumerate(values):
            raw = value.to_bytes() if isinstance(value, LLMCall) else value
            sent.append(await self.producer.send(self.topic, raw, b"key", number % PARTITIONS))
        await asyncio.gather(*sent)

    async def messages(self, count: int) -> list[Any]:
        """The topic's first messages, so many, once they are there."""
        consumer = AIOKafkaConsumer(self.topic, bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            async with asyncio.timeout(SECONDS):
                return [await consumer.getone() for _ in range(count)]
        finally:
            await consumer.stop()

    async def rows(self) -> int:
        async with self.engine.connect() as connection:
            return (await connection.execute(text("SELECT count(*) FROM llm_calls"))).scalar_one()

    async def committed(self) -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=self.topic, enable_auto_commit=False)
        await consumer.start()
        try:
            partitions = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
            return sum([await consumer.committed(partition) or 0 for partition in partitions])
        finally:
            await consumer.stop()

    async def until_committed(self, offsets: int) -> None:
        async with asyncio.timeout(SECONDS):
            while await self.committed() < offsets:
                pass  # each look takes a while: it logs in to the broker

    @contextlib.asynccontextmanager
    async def consuming(self, sink=None, positions=None, **changes: Any) -> AsyncIterator[Progress]:
        """A consumer at work, stopped in good order at the end."""
        stop, progress = asyncio.Event(), Progress()
        sink = sink or PostgresLLMCallSink(self.engine)
        told = self.settings(**changes), sink, self.publisher, stop, progress
        work = asyncio.create_task(consume_llm_calls(*told, positions=positions))
        try:
            yield progress
        finally:
            stop.set()
            await asyncio.wait_for(work, SECONDS)


async def until(condition) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - what is watched are counters
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def a_rig(bootstrap: str, database_url: str) -> AsyncIterator[Rig]:
    take_any_header_names()
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)
    await admin.start()
    await producer.start()
    try:
        async with migrated_database(database_url) as (_, engine):
            rig = Rig(bootstrap, engine, producer)
            await admin.create_topics([NewTopic(rig.topic, PARTITIONS, 1)])
            yield rig
            await admin.delete_topics([rig.topic])
    finally:
        await producer.stop()
        await admin.close()
