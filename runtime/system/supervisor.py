"""Keeps processes alive: starts each, restarts one that dies, says so, and ends all in order.

A process whose first life ends with the exit code of a user's mistake (2), and a worker that halted itself (3), are not
started again: what they would meet is what they met. Everything else that ends is a death, and a new process takes its
place, at once the first time, later after growing pauses.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from domain.errors import FeedbackError, UserError, WorkerHaltedError
from runtime import exit_codes
from runtime.embedded.process import GuardedProcess, launch

_LONGEST_PAUSE = 15.0
_READ_BACK = 20_000
_STEADY_SECONDS = 30.0
"""A process that lived this long starts its pauses anew."""

Announce = Callable[[str], None]


class Ward(Protocol):
    """Something that runs, can die and can be started again."""

    @property
    def pid(self) -> int:
        """The process id of the current life."""
        ...

    async def start(self) -> None:
        """Start it, or start it again."""
        ...

    async def wait(self) -> int:
        """Return the exit code of the current life, once it is over."""
        ...

    async def stop(self) -> None:
        """End it in order, within a bound."""
        ...

    def last_words(self) -> str:
        """The last sentence it wrote in its current life, for people; empty where it wrote none."""
        ...


@dataclass(slots=True)
class Command:
    """One of our own commands as a process of its own (fulfils `Ward`).

    Attributes:
        arguments: the words after `feedback`.
        log: the file that its output is appended to.
        environment: the variables it starts with.
        stop_seconds: the time it gets after SIGTERM.
    """

    arguments: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(repr=False)
    stop_seconds: float
    _process: GuardedProcess | None = None
    _log_start: int = 0

    @property
    def pid(self) -> int:
        """See `Ward`."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """See `Ward`."""
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        command = [sys.executable, "-P", "-m", "runtime.cli.main", *self.arguments]
        self._process = await launch(command, log=self.log, environment=self.environment)

    async def wait(self) -> int:
        """See `Ward`."""
        return await self._process.wait() if self._process else 0

    async def stop(self) -> None:
        """See `Ward`."""
        if self._process is not None:
            await self._process.stop(self.stop_seconds)

    def last_words(self) -> str:
        """See `Ward`."""
        said = [line.removeprefix("feedback: ") for line in self.lines() if line.startswith("feedback: ")]
        return said[-1] if said else ""

    def lines(self) -> list[str]:
        """The latest lines that its current life wrote."""
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(max(self._log_start, self.log.stat().st_size - _READ_BACK))
            return file.read().decode("utf-8", "replace").splitlines()
        return []


class Supervisor:
    """Processes by name: our own commands, and the servers that they use.

    Args:
        announce: told of every death and new start, one line each.
        changed: told of the process ids whenever they change.
    """

    def __init__(self, announce: Announce, changed: Callable[[dict[str, int]], None]) -> None:
        self._announce = announce
        self._changed = changed
        self._wards: dict[str, Ward] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._given_up: set[str] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def processes(self) -> dict[str, int]:
        """Process id by name; without those that ended for good."""
        return {name: ward.pid for name, ward in self._wards.items() if name not in self._given_up}

    async def add(self, name: str, ward: Ward, *, running: bool = False) -> None:
        """Start a process (unless it runs already) and keep it alive from now on."""
        if not running:
            await ward.start()
        self._wards[name] = ward
        self._changed(self.processes)
        self._watchers[name] = asyncio.create_task(self._watch(name, ward), name=f"watch {name}")

    async def failed(self) -> None:
        """Return never; raise when a process says that it cannot go on.

        Raises:
            UserError, WorkerHaltedError, FeedbackError: what the process said.
        """
        await asyncio.shield(self._failure)

    def complaint(self) -> str:
        """The latest thing that a process warned of, for people; where none did, where to look."""
        warnings = [
            (line, name)
            for name, ward in self._wards.items()
            if isinstance(ward, Command)
            for line in ward.lines()
            if " WARNING " in line or " ERROR " in line
        ]
        if not warnings:
            return "No process warns of anything."
        line, name = max(warnings)  # lines begin with their time
        return f"The latest warning, of {name}: {line}"

    async def stop(self) -> None:
        """End all, our own commands before the servers; returns when none is left."""
        for watcher in self._watchers.values():
            watcher.cancel()
        await asyncio.gather(*self._watchers.values(), return_exceptions=True)
        if self._failure.done() and not self._failure.cancelled():
            self._failure.exception()
        # Servers last: whoever uses them may still have something to say to them.
        for tier in ([w for w in self._wards.items() if isinstance(w[1], Command)], list(self._wards.items())):
            await asyncio.gather(*(self._stop_one(name, ward) for name, ward in tier))

    async def _stop_one(self, name: str, ward: Ward) -> None:
        try:
            await ward.stop()
        except FeedbackError as error:
            self._announce(f"{name}: {error.message}")

    async def _watch(self, name: str, ward: Ward) -> None:
        clock = asyncio.get_running_loop().time
        pause = 0.0
        lives = 0
        while True:
            began = clock()
            code = await ward.wait()
            lives += 1
            if code == exit_codes.HALTED or (code == exit_codes.USER and lives == 1):
                self._given_up.add(name)
                self._changed(self.processes)  # its number may soon be another program's
                self._give_up(name, code, ward.last_words())
                return
            pause = 0.0 if clock() - began > _STEADY_SECONDS else pause
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, max(0.5, pause * 2))
            await self._restart(name, ward, code)

    async def _restart(self, name: str, ward: Ward, code: int) -> None:
        """Start a dead process again; a start that fails is tried until it succeeds."""
        death = f"signal {code - 128}" if code > 128 else f"exit code {code}"
        words = ward.last_words()
        while True:
            try:
                await ward.start()
            except FeedbackError as error:
                self._announce(f"{name} died ({death}) and cannot start yet: {error.message}")
                await asyncio.sleep(_LONGEST_PAUSE)
            else:
                break
        self._changed(self.processes)
        why = f": {words}" if words else ""
        self._announce(f"{name} died ({death}){why} - started again as process {ward.pid}")

    def _give_up(self, name: str, code: int, words: str) -> None:
        self._announce(f"{name} ended and is not started again: {words or f'exit code {code}'}")
        if self._failure.done():
            return
        if code == exit_codes.HALTED:
            self._failure.set_exception(WorkerHaltedError(words.removeprefix("halted: ")))
        else:
            self._failure.set_exception(UserError(words, ""))
