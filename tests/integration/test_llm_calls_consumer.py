"""`llm.calls` -> `llm_calls` on a real broker and a real database, through outages, rebalances and bad events."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.llm_calls import PostgresLLMCallSink
from consumers.batches import Progress
from consumers.llm_calls import LLMCallConsumerSettings, consume_llm_calls
from domain.errors import BugError, SinkUnavailableError, UserError
from schemas.llm_calls import LLMCall
from tests.fakes import FakePublisher
from tests.usage_support import MemorySink, llm_call, many_calls, migrated_database, mortal_postgres

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
        given = {"kafka": {"bootstrap_servers": self.bootstrap}, "group_id": self.topic, "topic": self.topic}
        return LLMCallConsumerSettings(**given | {"drain_seconds": 10.0, "max_wait_seconds": 0.05} | changes)

    async def send(self, *values: LLMCall | bytes | None) -> None:
        sent = []
        for number, value in enumerate(values):
            raw = value.to_bytes() if isinstance(value, LLMCall) else value
            sent.append(await self.producer.send(self.topic, raw, b"key", number % PARTITIONS))
        await asyncio.gather(*sent)

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
    async def consuming(self, sink=None, **changes: Any) -> AsyncIterator[Progress]:
        """A consumer at work, stopped in good order at the end."""
        stop, progress = asyncio.Event(), Progress()
        sink = sink or PostgresLLMCallSink(self.engine)
        work = asyncio.create_task(consume_llm_calls(self.settings(**changes), sink, self.publisher, stop, progress))
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


@pytest.fixture
async def rig(kafka, postgres):
    async with a_rig(kafka.bootstrap_servers, postgres.url) as rig:
        yield rig


async def test_every_call_is_a_row_once_and_its_offset_is_committed(rig):
    calls = many_calls(500)
    await rig.send(*calls, *calls[:100])

    async with rig.consuming(max_rows=64) as progress:
        await until(lambda: progress.stored + progress.repeated == 600)

    assert (progress.stored, progress.repeated) == (500, 100)
    assert await rig.rows() == 500
    assert await rig.committed() == 600
    async with rig.consuming() as again:
        await rig.send(llm_call())
        await until(lambda: again.stored)
    assert (again.stored, again.repeated) == (1, 0)


async def test_bad_events_among_good_ones_harm_nobody(rig):
    bad: list[Any] = [
        None,
        b"",
        b"{",
        b"null",
        b"{}",
        json.dumps({"schema_version": 2}).encode(),
        llm_call(provider="a\x00b"),
        b"\xff" * 100,
    ]
    good = many_calls(40)
    mixed = [value for pair in zip(good[:8], bad, strict=True) for value in pair]
    await rig.send(*mixed, *good[8:])

    async with rig.consuming() as progress:
        await until(lambda: progress.stored == 40 and progress.dead_lettered == 8)

    reasons = sorted(letter.reason for letter in rig.publisher.dead_letters())
    assert reasons == sorted(
        ["empty_payload"] * 2 + ["not_json"] * 3 + ["wrong_schema", "unknown_version", "not_storable"]
    )
    assert await rig.committed() == 48


async def test_nothing_is_committed_before_dead_letters_are_acknowledged(rig):
    rig.publisher.open.clear()
    await rig.send(b"not json", llm_call())

    async with rig.consuming(drain_seconds=0.2) as progress:
        async with asyncio.timeout(SECONDS):
            while not await rig.rows():
                pass

    assert progress.dead_lettered == 0
    assert await rig.committed() == 0
    rig.publisher.open.set()
    async with rig.consuming() as again:
        await until(lambda: again.dead_lettered)
    assert (again.repeated, await rig.committed()) == (1, 2)


async def test_a_database_killed_under_load_loses_and_doubles_nothing(kafka, services_mode, tmp_path):
    async with (
        mortal_postgres(services_mode, tmp_path) as postgres,
        a_rig(kafka.bootstrap_servers, postgres.url) as rig,
        rig.consuming(max_rows=100) as progress,
    ):
        sending = asyncio.create_task(rig.send(*many_calls(6000)))
        await until(lambda: progress.stored > 300)
        await postgres.kill()
        await until(lambda: progress.outages)
        await sending
        await postgres.restart()
        await until(lambda: progress.stored + progress.repeated >= 6000)

        assert await rig.rows() == 6000
        await rig.until_committed(6000)
        assert rig.publisher.acknowledged == []


async def test_a_long_outage_keeps_the_place_in_the_group(rig, monkeypatch):
    polled_on, pauses, pause = asyncio.Event(), [], AIOKafkaConsumer.pause

    def paused(consumer, *partitions):
        pauses.append(partitions)
        if len(pauses) >= 3:
            polled_on.set()
        pause(consumer, *partitions)

    monkeypatch.setattr("consumers.llm_calls.PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(AIOKafkaConsumer, "pause", paused)
    sink = MemorySink()
    sink.failures = 10**9
    await rig.send(*many_calls(30))

    async with rig.consuming(sink, session_seconds=6.0) as progress:
        await until(lambda: progress.outages)
        await rig.send(*many_calls(30))
        await asyncio.wait_for(polled_on.wait(), SECONDS)  # its patience is over: it pauses its partitions and polls
        assert await rig.committed() == 0
        sink.failures = 0
        await until(lambda: progress.stored == 60)

    assert progress.repeated == 0
    assert await rig.committed() == 60


async def test_consumers_that_come_and_go_share_the_work(rig):
    sink = PostgresLLMCallSink(rig.engine)
    sent = 0

    async with rig.consuming(sink, max_rows=50) as first:
        async with rig.consuming(sink, max_rows=50) as second, asyncio.timeout(SECONDS):
            while not (first.stored > 100 and second.stored > 100):
                await rig.send(*many_calls(60))
                sent += 60
        await rig.send(*many_calls(600))
        sent += 600
        await until(lambda: first.stored + second.stored >= sent)

    assert await rig.rows() == sent
    assert await rig.committed() == sent
    assert first.repeated + second.repeated <= 50


async def test_stopping_during_an_outage_ends_in_time_and_commits_nothing(rig):
    class Away:
        async def write(self, batch):
            raise SinkUnavailableError("The database cannot take LLM calls now.")

    await rig.send(*many_calls(10))

    async with rig.consuming(Away(), drain_seconds=0.5) as progress:  # bounded: see `consuming`
        await until(lambda: progress.outages)

    assert await rig.committed() == 0
    async with rig.consuming() as again:
        await until(lambda: again.stored == 10)


async def test_a_bug_in_the_store_is_not_swallowed(rig):
    called = asyncio.Event()

    class Broken:
        async def write(self, batch):
            called.set()
            raise ZeroDivisionError

    await rig.send(llm_call())

    with pytest.raises(BugError, match="ZeroDivisionError"):
        async with rig.consuming(Broken()):
            await asyncio.wait_for(called.wait(), SECONDS)
    assert await rig.committed() == 0


async def test_a_broker_that_is_not_there_is_told_in_a_sentence():
    settings = LLMCallConsumerSettings({"bootstrap_servers": "127.0.0.1:1"}, group_id="nobody", drain_seconds=1.0)

    with pytest.raises(UserError, match=r"127\.0\.0\.1:1 cannot be reached"):
        await consume_llm_calls(settings, MemorySink(), FakePublisher(), asyncio.Event())
