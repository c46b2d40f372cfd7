"""Topics that are deleted and made anew at once under a worker and a consumer: all that is in the new ones is read."""

import asyncio
import json
import logging
from asyncio import Task
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, nullcontext
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.topic_ids import KafkaTopicIds
from consumers.llm_calls import consume_llm_calls
from domain.delivery.messages import InboundMessage
from streams.worker import run_worker
from tests.fakes import FakePublisher
from tests.integration.llm_calls_support import PARTITIONS, a_rig, until
from tests.integration.streams_support import bench
from tests.usage_support import MemorySink, llm_call

OLD, NEW = 30, 100
"""Messages in the old topic and, of each partition, more of them in the new one."""


async def made_anew(bootstrap: str, topic: str, partitions: int) -> None:
    """Delete a topic, and create it as soon as Kafka lets one."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        async with asyncio.timeout(30):
            while (await admin.create_topics([NewTopic(topic, partitions, 1)])).topic_errors[0][1]:
                pass  # each answer takes a while
    finally:
        await admin.close()


async def publish(bootstrap: str, topic: str, partitions: int, values: list[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        sent = [await producer.send(topic, value, partition=at % partitions) for at, value in enumerate(values)]
        await asyncio.gather(*sent)


def told(caplog: Any, topic: str) -> int:
    said = f"The topic {topic} was deleted and made anew"
    return sum(record.levelno == logging.ERROR and said in record.message for record in caplog.records)


class Noting:
    """A handler that notes what it answered."""

    def __init__(self) -> None:
        self.answered: Counter[str] = Counter()

    async def ready_for_more(self) -> None:
        pass

    def reading_held(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def handle(self, message: InboundMessage) -> None:
        await asyncio.sleep(0)
        self.answered[json.loads(message.value or b"null")] += 1


@asynccontextmanager
async def at_work(bootstrap: str, reader: Callable[..., Coroutine[Any, Any, object]]) -> AsyncIterator[Task[object]]:
    stop = asyncio.Event()
    async with aclosing(KafkaTopicIds(KafkaConnection(bootstrap))) as ids:
        work = asyncio.create_task(reader(stop=stop, topic_ids=ids))
        try:
            yield work
        finally:
            stop.set()
            await asyncio.wait_for(work, 30)


async def test_a_worker_answers_all_of_the_new_topic(kafka, tmp_path, caplog):
    async with bench(kafka.bootstrap_servers, tmp_path, partitions=2) as table:
        handler = Noting()
        async with at_work(table.bootstrap, partial(run_worker, table.settings(), handler)) as work:
            await publish(table.bootstrap, table.topic, 2, [json.dumps(f"old {n}").encode() for n in range(OLD)])
            await until(lambda: len(handler.answered) == OLD)
            await made_anew(table.bootstrap, table.topic, 2)
            new = [f"new {number}" for number in range(NEW)]
            await publish(table.bootstrap, table.topic, 2, [json.dumps(value).encode() for value in new])
            await until(lambda: handler.answered.keys() >= set(new) or work.done())
            assert not work.done()
            await table.until_committed(NEW // 2, 0)
            await table.until_committed(NEW // 2, 1)
            assert told(caplog, table.topic) == 1


async def test_a_consumer_stores_all_of_the_new_topic(kafka, postgres, caplog):
    async with a_rig(kafka.bootstrap_servers, postgres.url) as rig:
        sink = MemorySink()
        async with at_work(rig.bootstrap, partial(consume_llm_calls, rig.settings(), sink, FakePublisher())) as work:
            await publish(rig.bootstrap, rig.topic, PARTITIONS, [llm_call().to_bytes() for _ in range(OLD)])
            await until(lambda: len(sink.rows) == OLD)
            await rig.until_committed(OLD)
            await made_anew(rig.bootstrap, rig.topic, PARTITIONS)
            await publish(rig.bootstrap, rig.topic, PARTITIONS, [llm_call().to_bytes() for _ in range(NEW)])
            await until(lambda: len(sink.rows) == OLD + NEW or work.done())
            assert not work.done()
            await rig.until_committed(NEW)
            assert told(caplog, rig.topic) == 1
