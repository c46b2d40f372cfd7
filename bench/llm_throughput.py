"""LLM calls a second, CPU and memory of the real worker, beside bare loops, against a provider that takes 200 ms.

    python -m bench.llm_throughput [--in-flight 256 1000] [--rounds 5] [--seconds 10]

Three ways, in turn, each a process of its own, on one embedded Kafka and one topic of feedback records that ask for a
summary:

worker     `feedback worker`, with every event, acknowledgement and commit that it makes
litellm    a bare loop of aiokafka and `litellm.acompletion` (bench/bare_loops.py)
sleep      a bare aiokafka loop that only sleeps 200 ms: as fast as it can get

Each is started, given three seconds to get going, and watched for `--seconds`: outcomes and CPU time (user and system,
all threads) between two marks, so that no start-up is in the figures, and the most memory that it held. Ratios are of
neighbours in the same round. What Kafka and the provider need comes from the same cores.
"""

import argparse
import asyncio
import json
import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import linear_regression
from time import monotonic

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from adapters.kafka.admin import ensure_topics
from adapters.kafka.connection import KafkaConnection
from bench.figures import ratios, show, table, told
from bench.servers import ROOT, a_kafka, a_slow_provider
from schemas.topics import DEAD_LETTERS, RECORDS, SUMMARIES

SAMPLES = ROOT / "samples" / "records.jsonl"
WAYS = ("worker", "litellm", "sleep")
PARTITIONS = 6
LATENCY = 0.2
GET_GOING_SECONDS = 3.0
START_SECONDS = 60.0
SAMPLE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Figures:
    """One run: outcomes a second, CPU milliseconds an outcome, peak resident memory in MiB, share of one core."""

    rate: float
    cpu_ms: float
    peak_mib: float
    cores: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where the runs take place."""

    kafka: str
    api_base: str
    logs: Path
    ends: AIOKafkaConsumer

    async def length(self, topic: str) -> int:
        """How many messages a topic holds."""
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        return sum((await self.ends.end_offsets(partitions)).values())


Done = Callable[[], Awaitable[int]]
"""How many outcomes there are by now."""


@asynccontextmanager
async def place(directory: Path, records: int) -> AsyncIterator[Place]:
    """A Kafka with a topic full of records, and a provider."""
    async with a_kafka() as kafka, a_slow_provider(LATENCY) as api_base:
        await ensure_topics(KafkaConnection(kafka), PARTITIONS, 1)
        await fill(kafka, records)
        async with AIOKafkaConsumer(bootstrap_servers=kafka, group_id=None) as ends:
            yield Place(kafka, api_base, directory, ends)


async def fill(bootstrap: str, count: int) -> None:
    """Publish the sample records again and again, each time under another id, asking for summaries only."""
    contents = [json.loads(line)["content"] for line in SAMPLES.read_text("utf-8").splitlines()]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, max_batch_size=262_144) as producer:
        receipts = []
        for number, content in enumerate(islice(cycle(contents), count)):
            record = {"tenant_id": "bench", "record_id": f"record-{number}", "content": content}
            value = json.dumps(record).encode()
            receipts.append(await producer.send(RECORDS.name, value, record["record_id"].encode()))
        await asyncio.gather(*receipts)


@asynccontextmanager
async def running(way: str, in_flight: int, at: Place) -> AsyncIterator[tuple[psutil.Process, Done]]:
    """One way as a process that has started to bring outcomes; ended with SIGTERM."""
    command, environment = command_of(way, in_flight, at)
    before = await at.length(SUMMARIES.name)
    with (at.logs / f"{way}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=at.logs, env=environment, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    said = Said(process)
    try:

        async def done() -> int:
            return said.count if way == "sleep" else await at.length(SUMMARIES.name) - before

        async with asyncio.timeout(START_SECONDS):
            while await done() == 0:
                assert process.returncode is None, f"{way} ended: see {at.logs}"
                await asyncio.sleep(SAMPLE_SECONDS)
        yield psutil.Process(process.pid), done
        process.terminate()
        assert await process.wait() == 0, f"{way} did not end well: see {at.logs}"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await said.over()


def command_of(way: str, in_flight: int, at: Place) -> tuple[list[str], dict[str, str]]:
    """What to run, and its environment."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if way == "worker":
        environment |= {
            "KAFKA_BOOTSTRAP_SERVERS": at.kafka,
            "WORKER_GROUP": f"bench-{secrets.token_hex(4)}",
            "LLM_MODEL": "openai/gpt-4o-mini",
            "LLM_API_BASE": at.api_base,
            "LLM_API_KEY": "none",
            "MAX_IN_FLIGHT": str(in_flight),
        }
        return [str(Path(sys.executable).with_name("feedback")), "worker"], environment
    command = [sys.executable, "-m", "bench.bare_loops", way, "--bootstrap", at.kafka]
    return [*command, "--in-flight", str(in_flight), "--api-base", at.api_base], environment


class Said:
    """The last number that a process has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.count = 0
        self._process = process
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if line.strip().isdigit():
                self.count = int(line)

    async def over(self) -> None:
        """All was read."""
        await self._reading


async def measure(way: str, in_flight: int, seconds: float, at: Place, records: int) -> Figures:
    """One run."""
    async with running(way, in_flight, at) as (process, done):
        await asyncio.sleep(GET_GOING_SECONDS)
        began, cpu_before = monotonic(), cpu_seconds(process)
        times, counts, peak = [], [], 0
        while monotonic() - began < seconds:
            counts.append(float(await done()))
            times.append(monotonic())
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(SAMPLE_SECONDS)
        cpu, wall = cpu_seconds(process) - cpu_before, monotonic() - began
        assert await done() < records, f"{way} ran out of records; the bench must fill more"
    dead = await at.length(DEAD_LETTERS.name)
    assert not dead, f"{dead} dead letters"
    # Calls that began together end together: a line through all samples is not led astray by such waves.
    rate = linear_regression(times, counts).slope
    return Figures(rate, cpu / (rate * wall) * 1000, peak / 2**20, cpu / wall)


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of all its threads."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def compare(at: Place, in_flight: int, rounds: int, seconds: float, records: int, ways: list[str]) -> None:
    """Take turns, and print."""
    found: dict[str, list[Figures]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in ways:
            figures = await measure(way, in_flight, seconds, at, records)
            found[way].append(figures)
            print(f"{in_flight} in flight, round {number + 1}: {way} {figures.rate:.0f}/s", file=sys.stderr, flush=True)
    made = table(
        f"{in_flight} in flight, {LATENCY * 1000:.0f} ms each: median (min..max) of {rounds} rounds of {seconds:g} s",
        ("", "outcomes/s", "CPU ms/outcome", "cores busy", "peak memory MiB"),
    )
    for way, runs in found.items():
        made.add_row(
            way,
            told([run.rate for run in runs]),
            told([run.cpu_ms for run in runs], 2),
            told([run.cores for run in runs], 2),
            told([run.peak_mib for run in runs]),
        )
    for other in ways[1:]:
        first, second = [run.rate for run in found[ways[0]]], [run.rate for run in found[other]]
        made.add_row(f"{ways[0]} / {other}", told(ratios(first, second), 2), "", "", "")
    show(made)


async def main_async(given: argparse.Namespace) -> None:
    """All comparisons on one Kafka."""
    most = max(given.in_flight) / LATENCY
    records = int(most * (GET_GOING_SECONDS + given.seconds + 2) * 1.1)
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    async with place(directory, records) as at:
        for in_flight in given.in_flight:
            await compare(at, in_flight, given.rounds, given.seconds, records, given.ways)
    shutil.rmtree(directory)  # kept where something went wrong: the logs are in it


def main() -> None:
    """See the module's docstring."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--in-flight", type=int, nargs="+", default=[256, 1000], help="default: 256 1000")
    options.add_argument("--rounds", type=int, default=5, help="default 5")
    options.add_argument("--seconds", type=float, default=10.0, help="watched for so long in each run; default 10")
    options.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="the first is compared with each")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # partitions of new topics have no leader for a moment
    asyncio.run(main_async(options.parse_args()))


if __name__ == "__main__":
    main()
