"""The processes of a case's system: started, killed, frozen and watched."""

import asyncio
import re
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from runtime.embedded import ports
from tests.chaos.evidence import Vitals
from tests.integration.system_support import Running, feedback

_ASSIGNED = re.compile(r"assigned partitions: (?P<names>.*)")
_DRAIN_SECONDS = 20
"""Unless it was told another (runtime/settings.py)."""

_TASKS = re.compile(r"^feedback_asyncio_tasks (?P<count>\S+)$", re.MULTILINE)


@dataclass
class Member:
    """A process of one of `feedback`'s commands, under a name that stays when it starts again.

    Attributes:
        command: `worker`, `judge`, `consumer`, `roller` or `budgets`.
        in_flight: how many inputs it may work on at a time.
        lives: its processes so far; the last one may run.
    """

    name: str
    command: str
    environment: dict[str, object]
    home: Path
    in_flight: int
    stack: AsyncExitStack
    metrics_port: int
    lives: list[Running] = field(default_factory=list)
    scraped: list[str] = field(default_factory=list)

    @property
    def life(self) -> Running:
        """The current process."""
        return self.lives[-1]

    @property
    def pid(self) -> int:
        """Of the current process."""
        return self.life.process.pid

    @property
    def drain_seconds(self) -> float:
        """How long it may go on after SIGTERM before it gives up what it is at work on."""
        return float(str(self.environment.get("DRAIN_SECONDS", _DRAIN_SECONDS)))

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return bool(self.lives) and self.life.process.returncode is None

    async def start(self, *, joined: bool = True) -> None:
        """Start it (again); return once it has work, unless that is not waited for."""
        running = await self.stack.enter_async_context(feedback(self.command, cwd=self.home, **self.environment))
        self.lives.append(running)
        if joined:
            await self.joined()

    async def joined(self, seconds: float = 90) -> None:
        """Return once the current process has partitions."""
        await self.life.says(r"assigned partitions: (?!none)|reading partitions \[\d", seconds)

    def partitions(self) -> set[tuple[str, int]]:
        """What a worker was assigned last, as it says itself."""
        said = _ASSIGNED.findall(self.life.errors)
        names = said[-1].split(", ") if said and said[-1] != "none" else []
        return {(name.rpartition("/")[0], int(name.rpartition("/")[2])) for name in names}

    def send(self, sign: signal.Signals) -> None:
        """Send a signal to the current process."""
        self.life.process.send_signal(sign)

    async def ended(self, seconds: float = 90) -> int:
        """The exit code of the current process, once it has ended."""
        return await self.life.ends(seconds=seconds)

    async def vitals(self) -> Vitals:
        """What it holds now."""
        process = psutil.Process(self.pid)
        tasks = _TASKS.search(await self.scrape())
        return Vitals(process.memory_info().rss, process.num_fds(), int(float(tasks["count"])) if tasks else None)

    async def told_lag(self, seconds: float = 60) -> None:
        """Return once it shows its lag: it has opened all connections then, those for its metrics too."""
        async with asyncio.timeout(seconds):
            while "feedback_consumer_lag{" not in await self.scrape():
                await paused(0.5)

    async def scrape(self) -> str:
        """Its metrics as it shows them; kept, as nothing that is secret may stand in them."""
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"http://127.0.0.1:{self.metrics_port}/metrics")).text
        self.scraped.append(text)
        return text

    def texts(self) -> Iterator[tuple[str, str]]:
        """Whatever it said, by name."""
        for number, life in enumerate(self.lives, 1):
            yield f"{self.name}, life {number}", life.out + life.errors
        for number, text in enumerate(self.scraped, 1):
            yield f"metrics of {self.name}, {number}", text


def a_port() -> int:
    """A free one."""
    return ports.choose(set())


async def paused(seconds: float) -> None:
    """Let a fault last; nothing happens that could be awaited."""
    await asyncio.sleep(seconds)
