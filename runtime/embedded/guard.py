"""The process between us and a server: it ends the server when we end, whichever way we end.

A script of its own, run by path as `python -I -S guard.py JOB`, standard library only. It stands in its own session, so
that a terminal's Ctrl-C does not reach the server before we stop it in order. It has one thread, which makes both
`preexec_fn` and the kernel's parent-death signal safe: the latter fires when the forking *thread* ends.

JOB is JSON: {command, stop_signal, uid?, gid?, override?}. The server writes to the guard's stderr. Protocol:
stdout, one line: the server's process id.
stdin: `T` sends the stop signal, `K` SIGKILL; end of file (we are gone) is as good as `K`.
Exit code: the server's, or 128 + the signal that ended it, or 77 when its privileges could not be set up. The guard
leaves last: once it is gone, so are the server and all that the server had started.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PRIVILEGES_FAILED = 77

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_CHILD_SUBREAPER = 36
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_CAP_SETPCAP = 8
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2

_LINUX = sys.platform.startswith("linux")


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _prctl(option: int, *arguments: int) -> bool:
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return bool(ctypes.CDLL(None).prctl(option, *padded) == 0)


def _set_capabilities(*capabilities: int) -> bool:
    bits = sum(1 << capability for capability in capabilities)
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    data = (_CapabilityData * 2)(_CapabilityData(bits, bits, bits), _CapabilityData(0, 0, 0))
    return bool(ctypes.CDLL(None).capset(ctypes.byref(header), ctypes.byref(data)) == 0)


def _keep_file_access() -> bool:
    """After root's uid is gone, keep of its powers only the one to pass by file permissions, through exec.

    access(2), by which initdb looks for its programs, forgets the powers of who is not root, unless the process says
    that user ids and powers have nothing to do with each other; to say so takes a power that goes right afterwards.
    """
    if _set_capabilities(_CAP_DAC_OVERRIDE, _CAP_SETPCAP):
        _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    return _set_capabilities(_CAP_DAC_OVERRIDE) and _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE)


def _before_exec(override: bool) -> Callable[[], None]:
    guard = os.getpid()

    def prepare() -> None:
        if override and not _keep_file_access():
            os._exit(PRIVILEGES_FAILED)
        # Set last: a change of credentials clears it.
        if _LINUX and (not _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) or os.getppid() != guard):
            os._exit(PRIVILEGES_FAILED)

    return prepare


def _launch(job: dict[str, Any]) -> "subprocess.Popen[bytes]":
    override = bool(job.get("override"))
    if override:
        _prctl(_PR_SET_KEEPCAPS, 1)  # permitted capabilities survive the change of user in the child
    account: dict[str, Any] = {}
    if job.get("uid") is not None:
        account = {"user": job["uid"], "group": job["gid"], "extra_groups": []}
    return subprocess.Popen(
        job["command"],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        stderr=sys.stderr.fileno(),
        preexec_fn=_before_exec(override),  # noqa: PLW1509 - safe: this process has one thread
        **account,
    )


def _watch(server: "subprocess.Popen[bytes]", stop_signal: int, wakeup: int) -> None:
    """Obey orders until the server has ended."""
    sources = [sys.stdin.fileno(), wakeup]
    while server.poll() is None:
        ready, _, _ = select.select(sources, [], [])
        if wakeup in ready and set(os.read(wakeup, 4096)) - {signal.SIGCHLD}:
            server.send_signal(stop_signal)
        if sys.stdin.fileno() in ready:
            orders = os.read(sys.stdin.fileno(), 64)
            if not orders:
                sources.remove(sys.stdin.fileno())
            server.send_signal(stop_signal if orders == b"T" else signal.SIGKILL)


def _bury_orphans() -> None:
    """End and reap what the server left behind; as a subreaper we inherit it (Linux)."""
    own = os.getpid()
    while True:
        with contextlib.suppress(OSError):
            for pid in Path(f"/proc/{own}/task/{own}/children").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def main() -> int:
    """Run the job named by the first argument until the server and its children are gone."""
    job = json.loads(sys.argv[1])
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    if _LINUX:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    server = _launch(job)
    os.write(sys.stdout.fileno(), f"{server.pid}\n".encode())
    _watch(server, job["stop_signal"], reading)
    _bury_orphans()
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


if __name__ == "__main__":
    sys.exit(main())
