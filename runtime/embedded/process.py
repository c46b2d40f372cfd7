"""A child process that cannot outlive us: started, watched and ended through `guard.py`."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.embedded import guard
from runtime.embedded.privileges import Account


@dataclass(slots=True)
class GuardedProcess:
    """A running server.

    Attributes:
        pid: the server's own process id (not the guard's).
    """

    pid: int
    _guard: asyncio.subprocess.Process

    @property
    def running(self) -> bool:
        """Whether the server, or anything that it started, may still be there."""
        return self._guard.returncode is None

    async def wait(self) -> int:
        """The exit code (128 + signal), once the server and all that it started are gone."""
        return await self._guard.wait()

    async def stop(self, within: float) -> None:
        """Ask the server to end; after `within` seconds, make it end."""
        self._order(b"T")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self.wait()
        await self.kill()

    async def kill(self) -> None:
        """End the server at once (SIGKILL), as a crash would. Does nothing to one that has ended."""
        self._order(b"K")
        await self.wait()
        if self._guard.stdin is not None:
            self._guard.stdin.close()

    def _order(self, order: bytes) -> None:
        if self.running and self._guard.stdin is not None:
            self._guard.stdin.write(order)


async def launch(
    command: list[str],
    *,
    log: Path,
    stop_signal: signal.Signals = signal.SIGTERM,
    account: Account | None = None,
    lock: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> GuardedProcess:
    """Start a command whose output is appended to `log`.

    Args:
        command: program and arguments, absolute paths.
        log: the file for its stdout and stderr.
        stop_signal: what asks it to end in order.
        account: the user that it runs as, where not as ours.
        lock: a file descriptor that the guard holds open until the command and its children have ended.
        environment: its environment variables, where not ours.
    """
    job = {"command": command, "stop_signal": int(stop_signal)}
    if account is not None:
        job |= {"uid": account.uid, "gid": account.gid, "override": account.override}
    with log.open("ab") as output:
        guardian = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            guard.__file__,
            json.dumps(job),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
            start_new_session=True,
            env=environment,
            pass_fds=() if lock is None else (lock,),
        )
    if guardian.stdout is None:
        raise AssertionError("stdout was asked to be a pipe")
    try:
        line = await guardian.stdout.readline()
    except BaseException:
        # Cancelled between the two: closing stdin is the order to end. A second cancellation leaves the guard to it.
        if guardian.stdin is not None:
            guardian.stdin.close()
        await guardian.wait()
        raise
    return GuardedProcess(pid=int(line or 0), _guard=guardian)


async def run(command: list[str], *, log: Path, account: Account | None = None, lock: int | None = None) -> int:
    """Run a command to its end and return its exit code; it ends early when we are cancelled."""
    process = await launch(command, log=log, account=account, lock=lock)
    try:
        return await process.wait()
    finally:
        await process.kill()
