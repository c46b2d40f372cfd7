"""`feedback` as a person or a service manager runs it: a process with an environment, an output and an end."""

import asyncio
import contextlib
import inspect
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import GroupCoordinatorNotAvailableError

from runtime.settings import Settings
from schemas.topics import TOPICS

ROOT = Path(__file__).parents[2]
FEEDBACK = Path(sys.executable).with_name("feedback")
LAST_LINE = re.compile(
    r"(?P<command>run|demo): records=(?P<records>\d+) outcomes=(?P<outcomes>\d+) lost=(?P<lost>\d+) "
    r"dead_letters=(?P<dead_letters>\d+) llm_calls=(?P<llm_calls>\d+) rows=(?P<rows>\d+)"
)
PARTITIONS = 4
_EMPTIED = [topic.name for topic in TOPICS if not topic.compacted]
_KEPT = {"kafka_allow_plaintext", "kafka_home", "feedback_cache_dir", "feedback_maven_repository"}


def an_environment(**values: object) -> dict[str, str]:
    """This process's environment without any setting of ours but those of the servers for tests, and with `values`."""
    ours = set(Settings.model_fields) - _KEPT
    kept = {name: value for name, value in os.environ.items() if name.lower() not in ours}
    return {**kept, **{name: str(value) for name, value in values.items()}}


class Running:
    """One `feedback ...` process in a session of its own, as a terminal would start it.

    Attributes:
        out: what it wrote to stdout, so far.
        errors: what it wrote to stderr, so far.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.out = self.errors = ""
        self._news = asyncio.Condition()
        self._listeners = [
            asyncio.create_task(self._listen("out", process.stdout)),
            asyncio.create_task(self._listen("errors", process.stderr)),
        ]

    async def _listen(self, name: str, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        while piece := await stream.read(65_536):
            async with self._news:
                setattr(self, name, getattr(self, name) + piece.decode("utf-8", "replace"))
                self._news.notify_all()

    async def says(self, text: str, seconds: float = 90) -> None:
        """Return once `text` (a regular expression) stands in its output, or among its errors."""
        pattern = re.compile(text)
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: pattern.search(self.out) or pattern.search(self.errors))
        except TimeoutError:
            raise AssertionError(f"{text!r} is not in:\n{self.out}\n{self.errors}") from None

    async def ends(self, sign: signal.Signals | None = None, seconds: float = 60, *, group: bool = False) -> int:
        """Send a signal, if one is given (to its process group, as a terminal's Ctrl-C); return the exit code."""
        if sign is not None and group:
            os.killpg(self.process.pid, sign)
        elif sign is not None:
            self.process.send_signal(sign)
        async with asyncio.timeout(seconds):
            code = await self.process.wait()
            await asyncio.gather(*self._listeners)
        return code

    def family(self) -> list[psutil.Process]:
        """It and all that it has started, and that they have started."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    @property
    def last_line(self) -> dict[str, int]:
        """The numbers of the line for scripts, which must be the last one."""
        match = LAST_LINE.fullmatch(self.out.rstrip("\n").rpartition("\n")[2])
        assert match, f"{self.out}\n{self.errors}"
        return {name: int(value) for name, value in match.groupdict().items() if name != "command"}


@asynccontextmanager
async def feedback(*arguments: object, cwd: Path, **environment: object) -> AsyncIterator[Running]:
    """Start `feedback` with these arguments; at the end of the block it and all that it started are gone."""
    process = await asyncio.create_subprocess_exec(
        FEEDBACK,
        *map(str, arguments),
        cwd=cwd,
        env=an_environment(**environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    running = Running(process)
    try:
        yield running
    finally:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            family = running.family()
            process.kill()
            await until_gone(family)
        await running.ends()


async def eventually(holds: Callable[[], bool | Awaitable[bool]], seconds: float = 60) -> None:
    """Return once something holds that other processes bring about without an event for us; TimeoutError else."""
    async with asyncio.timeout(seconds):
        while True:
            answer = holds()
            if await answer if inspect.isawaitable(answer) else answer:
                return
            await asyncio.sleep(0.02)


async def until_gone(processes: Iterable[psutil.Process], seconds: float = 30) -> None:
    """Return once none of these processes is there any more; a zombie that waits for its reaper counts as gone."""
    expected = list(processes)
    try:
        await eventually(lambda: not any(map(_alive, expected)), seconds)
    except TimeoutError:
        raise AssertionError(f"still there: {[one for one in expected if _alive(one)]}") from None


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Outcomes:
    """What comes out on topics, read from their beginning; kept, so that several tests may ask."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.messages: list[Any] = []

    async def until(self, wanted: Callable[[Any], Any], count: int = 1, seconds: float = 60) -> list[Any]:
        """The messages that `wanted` is true of, once there are so many; looks at those that came before, too."""
        try:
            async with asyncio.timeout(seconds):
                while len(found := [message for message in self.messages if wanted(message)]) < count:
                    await self._take()
                return found
        except TimeoutError:
            seen = [(message.topic, message.key) for message in self.messages]
            raise AssertionError(f"it did not come; {len(seen)} came: {seen}") from None

    async def all(self, *topics: str) -> list[Any]:
        """All messages that stand on the topics now."""
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        async with asyncio.timeout(60):
            while any([await self._consumer.position(place) < end for place, end in ends.items()]):
                await self._take()
        return [message for message in self.messages if message.topic in topics]

    async def _take(self) -> None:
        for batch in (await self._consumer.getmany(timeout_ms=200)).values():
            self.messages += batch


@asynccontextmanager
async def reading(bootstrap: str, *topics: str) -> AsyncIterator[Outcomes]:
    """A reader of all partitions of these topics, without a group."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=100
    )
    async with consumer:
        consumer.assign(await partitions_of(consumer, *topics))
        yield Outcomes(consumer)


@asynccontextmanager
async def publishing(bootstrap: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A producer as a CRM would have one."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", **options) as producer:
        yield producer


@asynccontextmanager
async def in_this_process(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run a worker or a consumer here; at the end of the block it is told to stop, and has."""
    stop = asyncio.Event()
    task = asyncio.create_task(work(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await task


async def empty_topics(bootstrap: str) -> dict[TopicPartition, int]:
    """Delete all that stands on our topics but frameworks: a new group and a new reader begin at the beginning.

    Returns where each partition begins now.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
            ends = await consumer.end_offsets(await partitions_of(consumer, *_EMPTIED))
        await admin.delete_records({place: RecordsToDelete(before_offset=end) for place, end in ends.items()})
    finally:
        await admin.close()
    return dict(ends)


async def partitions_of(consumer: AIOKafkaConsumer, *topics: str) -> list[TopicPartition]:
    """All partitions of topics, which must be there."""
    await consumer._client.force_metadata_update()  # no public way without a subscription
    found = {topic: consumer.partitions_for_topic(topic) for topic in topics}
    assert all(found.values()), f"not all of these topics are there: {found}"
    return [TopicPartition(topic, number) for topic, numbers in found.items() for number in numbers or ()]


async def committed(bootstrap: str, group: str, topic: str) -> dict[int, int]:
    """A group's offsets by partition, where it has one."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False) as consumer:
        offsets = {place.partition: await consumer.committed(place) for place in await partitions_of(consumer, topic)}
    return {partition: offset for partition, offset in offsets.items() if offset is not None}


async def until_loaded(running: Running, library: str, seconds: float = 60) -> None:
    """Return once a process has got so far in its imports that it has loaded this shared library."""
    process = psutil.Process(running.process.pid)
    await eventually(lambda: any(library in mapped.path for mapped in process.memory_maps()), seconds)


async def until_members(bootstrap: str, *groups: str, seconds: float = 90) -> None:
    """Return once each of these consumer groups is stable and has a member."""

    async def at_work(group: str) -> bool:
        state, count = await members(bootstrap, group)
        return state == "Stable" and count > 0

    for group in groups:
        await eventually(partial(at_work, group), seconds)


async def members(bootstrap: str, group: str) -> tuple[str, int]:
    """The state of a consumer group, and how many members it has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        [response] = await admin.describe_consumer_groups([group])
    except GroupCoordinatorNotAvailableError:  # a new broker makes its coordinator with the first group
        return "", 0
    finally:
        await admin.close()
    [described] = response.groups
    return described[2], len(described[5])


async def until_ready(url: str, seconds: float = 60) -> None:
    """Return once the API says that it can answer."""

    async def ready() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return (await client.get(f"{url}/readyz")).status_code == 200
        return False

    async with httpx.AsyncClient() as client:
        await eventually(ready, seconds)


def json_lines(file: Path) -> list[dict[str, Any]]:
    """The objects in a JSON Lines file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
