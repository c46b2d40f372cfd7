"""What the stream engine costs: beside a bare aiokafka loop that does the same, in the same run, in turn.

    python -m bench.streams_overhead [--bootstrap localhost:9092] [--runs 5]

Both read one topic and sleep 200 ms for each record, with the same number in flight; the engine also keeps offsets in
order, commits them four times a second, and follows a second, idle topic. Rates are taken between the first start and
the last end; each run is a process of its own, and the two take turns. Without --bootstrap an embedded Kafka is
started for the run, and thrown away.
"""

import argparse
import asyncio
import json
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.servers import a_kafka
from domain.delivery.messages import InboundMessage
from streams.settings import WorkerSettings
from streams.worker import run_worker

SLEEP_SECONDS = 0.2
BODY = json.dumps({"tenant_id": "t", "record_id": "r", "content": "x" * 300}).encode()


class Clock:
    """Sleeps for each record and measures from the first to the last."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.done = 0
        self.began: tuple[float, float] | None = None
        self.over = asyncio.Event()
        self.figures = (0.0, 0.0)

    async def ready_for_more(self) -> None:
        """Always."""

    def reading_held(self) -> AbstractContextManager[None]:
        """Of no matter here."""
        return nullcontext()

    async def handle(self, message: InboundMessage) -> None:  # noqa: ARG002 - a handler's signature
        """One record."""
        await self.tick()

    async def tick(self) -> None:
        """Sleep; the last one sets the figures: records a second, CPU microseconds a record."""
        if self.began is None:
            self.began = (time.monotonic(), time.process_time())
        await asyncio.sleep(SLEEP_SECONDS)
        self.done += 1
        if self.done == self.count:
            wall, cpu = time.monotonic() - self.began[0], time.process_time() - self.began[1]
            self.figures = (self.count / wall, cpu / self.count * 1e6)
            self.over.set()


async def engine(bootstrap: str, topic: str, count: int, in_flight: int) -> tuple[float, float]:
    """The project's worker."""
    clock = Clock(count)
    with tempfile.TemporaryDirectory() as directory:
        settings = WorkerSettings(
            bootstrap,
            group_id=f"bench-{secrets.token_hex(4)}",
            instance_id=None,
            window=in_flight,
            drain_seconds=20,
            records_topic=topic,
            requests_topic=f"{topic}.idle",
            data_directory=Path(directory),
        )
        await run_worker(settings, clock, clock.over)
    return clock.figures


async def bare(bootstrap: str, topic: str, count: int, in_flight: int) -> tuple[float, float]:
    """aiokafka and a semaphore, and nothing else."""
    clock = Clock(count)
    places = asyncio.Semaphore(in_flight)
    tasks: set[asyncio.Task[None]] = set()

    def ended(task: asyncio.Task[None]) -> None:
        tasks.discard(task)
        places.release()

    pulled = 0
    group = f"bench-{secrets.token_hex(4)}"
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
    ) as consumer:
        while pulled < count:
            for records in (await consumer.getmany(timeout_ms=1000, max_records=count - pulled)).values():
                for _ in records:
                    await places.acquire()
                    task = asyncio.create_task(clock.tick())
                    tasks.add(task)
                    task.add_done_callback(ended)
                    pulled += 1
        await clock.over.wait()
    return clock.figures


WAYS: dict[str, Callable[[str, str, int, int], Awaitable[tuple[float, float]]]] = {"bare": bare, "engine": engine}


async def fill(bootstrap: str, topic: str, count: int) -> None:
    """A topic of four partitions with so many records, and an idle one."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 4, 1), NewTopic(f"{topic}.idle", 1, 1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, max_batch_size=262_144) as producer:
        receipts = [await producer.send(topic, BODY, partition=number % 4) for number in range(count)]
        await asyncio.gather(*receipts)


def measure(way: str, bootstrap: str, topic: str, count: int, in_flight: int) -> tuple[float, float]:
    """One run in a process of its own."""
    command = [sys.executable, "-m", "bench.streams_overhead", "--bootstrap", bootstrap]
    command += ["--one", way, topic, str(count), str(in_flight)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate, cpu = json.loads(out.splitlines()[-1])
    return rate, cpu


def compare(bootstrap: str, topic: str, count: int, in_flight: int, runs: int) -> None:
    """Alternate, then print medians and spreads."""
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for _ in range(runs):
        for way in WAYS:
            found[way].append(measure(way, bootstrap, topic, count, in_flight))
    rates = {way: sorted(rate for rate, _ in figures) for way, figures in found.items()}
    for way, figures in found.items():
        cpu = statistics.median(cpu for _, cpu in figures)
        told = f"{statistics.median(rates[way]):7.0f}/s ({rates[way][0]:.0f} to {rates[way][-1]:.0f})"
        print(f"{in_flight:5d} in flight  {way:6s} {told}  {cpu:4.0f} us CPU a record")
    share = statistics.median(rates["engine"]) / statistics.median(rates["bare"])
    print(f"{in_flight:5d} in flight  engine / bare = {share:.3f}", flush=True)


async def measure_all(bootstrap: str | None, runs: int) -> None:
    """At 256 and at 1000 in flight."""
    async with a_kafka(bootstrap) as address:
        topic = f"bench-{secrets.token_hex(4)}"
        await fill(address, topic, 20_000)
        await asyncio.to_thread(compare, address, topic, 256 * 24, 256, runs)
        await asyncio.to_thread(compare, address, topic, 20_000, 1000, runs)


def main() -> None:
    """Measure at 256 and 1000 in flight, or one run where --one is given."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--bootstrap", help="a Kafka to use, instead of an embedded one")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--one", nargs=4, metavar=("WAY", "TOPIC", "COUNT", "IN_FLIGHT"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        way, topic, count, in_flight = given.one
        print(json.dumps(asyncio.run(WAYS[way](given.bootstrap, topic, int(count), int(in_flight)))))  # type: ignore[arg-type]
        return
    asyncio.run(measure_all(given.bootstrap, given.runs))


if __name__ == "__main__":
    main()
