"""Worker processes with a stub handler, and what they left on Kafka."""

import asyncio
import contextlib
import json
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
ANY_TIMESTAMP = {"message.timestamp.after.max.ms": str(2**63 - 1)}


class Worker:
    """One process of `stub_worker.py`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[dict] = []
        self.errors = ""
        self._news = asyncio.Condition()
        self._listeners = [asyncio.create_task(self._listen()), asyncio.create_task(self._keep_errors())]

    async def _listen(self) -> None:
        while line := await self.process.stdout.readline():
            async with self._news:
                self.said.append(json.loads(line))
                self._news.notify_all()

    async def _keep_errors(self) -> None:
        self.errors = (await self.process.stderr.read()).decode()

    async def heard(self, event: str, seconds: float = 60) -> dict:
        """What the worker says of an event, once it does."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: any(word["event"] == event for word in self.said))
        return next(word for word in self.said if word["event"] == event)

    async def ends(self, sign: signal.Signals | None = None, seconds: float = 60) -> int:
        """Send a signal, if one is given; return the exit code."""
        if sign is not None:
            self.process.send_signal(sign)
        async with asyncio.timeout(seconds):
            code = await self.process.wait()
            await asyncio.gather(*self._listeners)
        return code


class Bench:
    """Topics of one test, and the workers on them."""

    def __init__(self, bootstrap: str, directory: Path, partitions: int) -> None:
        self.bootstrap = bootstrap
        self.directory = directory
        self.partitions = partitions
        self.topic = f"streams-{secrets.token_hex(4)}"
        self.workers: list[Worker] = []

    async def create_topics(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics(
                [
                    NewTopic(self.topic, self.partitions, 1, topic_configs=ANY_TIMESTAMP),
                    NewTopic(f"{self.topic}.requests", 1, 1),
                    NewTopic(f"{self.topic}.out", 1, 1),
                ]
            )
        finally:
            await admin.close()

    async def worker(self, **options: object) -> Worker:
        """Start a worker."""
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.stub_worker",
            f"--bootstrap={self.bootstrap}",
            f"--topic={self.topic}",
            f"--data={self.directory}",
            *flags,
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self.workers.append(Worker(process))
        return self.workers[-1]

    def settings(self, **changes: Any) -> WorkerSettings:
        """Settings of a worker inside the test's own process."""
        usual = {
            "bootstrap_servers": self.bootstrap,
            "group_id": self.topic,
            "instance_id": None,
            "window": 100,
            "drain_seconds": 10.0,
            "records_topic": self.topic,
            "requests_topic": f"{self.topic}.requests",
            "data_directory": self.directory,
        }
        return WorkerSettings(**usual | changes)

    async def publish(self, orders: Iterable[dict], start: int = 0, partition: int | None = None) -> list[str]:
        """Publish inputs, one after the other over the partitions, or to one; return their ids."""
        ids = []
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5) as producer:
            receipts = []
            for number, order in enumerate(orders, start):
                ids.append(order.get("id", f"r{number}"))
                body = json.dumps({"id": ids[-1], **order}).encode()
                where = number % self.partitions if partition is None else partition
                receipts.append(await producer.send(self.topic, body, partition=where))
            await asyncio.gather(*receipts)
        return ids

    async def publish_raw(self, *values: bytes | None, timestamp_ms: int | None = None) -> None:
        """Publish bytes as they are, to partition 0."""
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
            for value in values:
                await producer.send_and_wait(self.topic, value, key=b"key", partition=0, timestamp_ms=timestamp_ms)

    async def outcomes(self, wanted: Iterable[str] = (), seconds: float = 60) -> Counter[str]:
        """How often each id came out, once all the wanted ones have; by default now, as far as there are any."""
        missing, found = set(wanted), Counter[str]()
        consumer = AIOKafkaConsumer(
            f"{self.topic}.out", bootstrap_servers=self.bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=100
        )
        async with consumer, asyncio.timeout(seconds):
            (end,) = (await consumer.end_offsets(consumer.assignment())).items()
            while missing or await consumer.position(end[0]) < end[1]:
                for batch in (await consumer.getmany(timeout_ms=100)).values():
                    for record in batch:
                        found[record.key.decode()] += 1
                        missing.discard(record.key.decode())
        return found

    async def committed(self, partition: int = 0) -> int:
        """The group's offset of a partition; 0 where there is none."""
        async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=self.topic) as consumer:
            return await consumer.committed(TopicPartition(self.topic, partition)) or 0

    async def until_committed(self, offset: int, partition: int = 0) -> None:
        """Return once the group has committed an offset."""
        async with asyncio.timeout(60):
            while await self.committed(partition) < offset:
                pass  # each look takes a while: it logs in to the broker


@asynccontextmanager
async def bench(bootstrap: str, directory: Path, partitions: int = 4) -> AsyncIterator[Bench]:
    """A bench whose workers are gone afterwards."""
    table = Bench(bootstrap, directory, partitions)
    await table.create_topics()
    try:
        yield table
    finally:
        for worker in table.workers:
            with contextlib.suppress(ProcessLookupError):
                worker.process.kill()
            await worker.ends()


def repeats(found: Counter[str]) -> int:
    """How many outcomes came more than once, each time counted."""
    return sum(times - 1 for times in found.values())


def report(**figures: object) -> None:
    """Figures for whoever runs the tests with -s."""
    sys.stderr.write(f"\n[streams] {json.dumps(figures)}\n")


now = time.time
