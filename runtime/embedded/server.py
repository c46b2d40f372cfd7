"""What the embedded servers share: a directory that is theirs alone, a guarded process, the wait for an answer."""

import asyncio
import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar, Self

from runtime import directories
from runtime.embedded import ports, process
from runtime.embedded.errors import DirectoryNotWritableError, RootNotAllowedError, ServerStartError
from runtime.embedded.guard import PRIVILEGES_FAILED
from runtime.embedded.lock import DirectoryLock
from runtime.embedded.privileges import Account
from runtime.embedded.process import GuardedProcess

_READY_WITHIN = 60.0
_POLL = 0.03


class EmbeddedServer(ABC):
    """A server on the data in one directory. `async with` starts and stops it.

    Not for concurrent calls: one caller starts, stops, kills and restarts it.
    """

    name: ClassVar[str]
    port_names: ClassVar[list[str]]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    stop_within: ClassVar[float] = 15.0  # seconds, then SIGKILL

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.log = self.directory / f"{self.name.lower()}.log"
        self._lock = DirectoryLock(self.directory)
        self._ports: dict[str, int] = {}
        self._account: Account | None = None
        self._process: GuardedProcess | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise AssertionError(f"{self.name} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.running

    async def start(self) -> None:
        """Start on the data that is there, or on fresh data, and return once it answers.

        Raises:
            EmbeddedServiceError: it cannot run here; every cause has a class of its own in `errors`.
        """
        try:
            directories.keep_private(self.directory)
            await self._lock.acquire()
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            await self._start_locked()
        except BaseException as error:
            await self.kill()
            self._lock.release()
            if isinstance(error, PermissionError) and str(error.filename).startswith(str(self.directory)):
                raise self._unwritable(error) from error
            raise

    async def _start_locked(self) -> None:
        self._ports = ports.remembered(self.directory / "ports.json", self.port_names)
        await self._prepare()
        self._process = await process.launch(
            await self._command(),
            log=self.log,
            stop_signal=self.stop_signal,
            account=self._account,
            lock=self._lock.descriptor,
        )
        await self._until_ready(self._process)

    async def stop(self) -> None:
        """End it in order, within `stop_within` seconds, else by force. Does nothing to one that has ended."""
        if self._process is not None:
            await self._process.stop(self.stop_within)
        self._lock.release()

    async def kill(self) -> None:
        """End it at once, as a power cut would end it: SIGKILL to the server and to all that it started."""
        if self._process is not None:
            await self._process.kill()
        self._lock.release()

    async def wait(self) -> int:
        """The exit code (128 + signal) of the current life, once it is over; 0 where there was none."""
        return 0 if self._process is None else await self._process.wait()

    async def restart(self) -> None:
        """Stop it, if it runs, and start it again on the same data, at the same address if that is still free."""
        await self.stop()
        await self.start()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @abstractmethod
    async def _prepare(self) -> None:
        """Make the data, where there is none. The ports are known."""

    @abstractmethod
    async def _command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    async def _answers(self) -> bool:
        """One real call of the server's protocol: whether it serves. ConnectionError and TimeoutError mean not yet."""

    async def _until_ready(self, server: GuardedProcess) -> None:
        """Ask until it answers; the process's end, or too long a wait, is the error."""
        asking = asyncio.create_task(_poll(self._answers))
        ended = asyncio.create_task(server.wait())
        try:
            done, _ = await asyncio.wait({asking, ended}, timeout=_READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
            if asking in done:
                await asking
            elif ended in done:
                raise self._failed(f"ended with code {await ended} while it was starting", await ended)
            else:
                raise self._failed(f"gave no answer within {_READY_WITHIN:.0f} seconds")
        finally:
            for task in (asking, ended):
                task.cancel()
            await asyncio.gather(asking, ended, return_exceptions=True)

    async def _make(self, data: Path, build: Callable[[Path], Awaitable[int]], tool: str) -> None:
        """Where there is no `data`, let `build` fill a directory (it returns an exit code) that becomes it.

        What a failed or killed build left does not count.
        """
        if data in self.directory.iterdir():
            return
        unfinished = data.with_name(f"{data.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        code = await build(unfinished)
        if code != 0:
            raise self._failed(f"could not make its data: {tool} ended with code {code}", code)
        unfinished.rename(data)

    def _failed(self, what: str, code: int = 0) -> Exception:
        if code == PRIVILEGES_FAILED and self._account is not None:
            return RootNotAllowedError(self.directory, self._account.name)
        return ServerStartError(self.name, what, self.log, _last_words(self.log))

    def _unwritable(self, error: OSError) -> DirectoryNotWritableError:
        return DirectoryNotWritableError(
            self.directory, (error.strerror or str(error)).lower(), setting="FEEDBACK_HOME"
        )


async def _poll(answers: Callable[[], Awaitable[bool]]) -> None:
    while True:
        try:
            if await answers():
                return
        except (ConnectionError, TimeoutError):
            pass
        await asyncio.sleep(_POLL)  # a foreign process's readiness is no event that could be awaited


def _last_words(log: Path) -> str:
    """The last line of a log that says something; at most 300 characters."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    telling = [line.strip() for line in lines if line.strip() and not line.startswith(("\t", "    "))]
    loud = [line for line in telling if any(word in line for word in ("ERROR", "FATAL", "Exception", "error:"))]
    return (loud or telling or [""])[-1][:300]
