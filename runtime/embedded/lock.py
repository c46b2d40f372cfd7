"""One user per data directory: a lock that the kernel releases when its last holder is gone."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.embedded.errors import DirectoryInUseError

with contextlib.suppress(ImportError):  # Windows; `services` refuses it before anything is locked
    import fcntl

_POLL = 0.05


class DirectoryLock:
    """An exclusive lock on a directory, held through an open file.

    The file descriptor is handed to the guard too (see `process.launch`), so that the lock outlives a killed owner
    until its server is gone: a successor waits for exactly that.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: int | None = None

    @property
    def descriptor(self) -> int:
        """The open file that holds the lock."""
        if self._file is None:
            raise AssertionError("the lock is not held")
        return self._file

    async def acquire(self, patience: float = 15.0) -> None:
        """Take the lock. A living owner is an error at once; a dead one's servers get `patience` seconds to end.

        Raises:
            DirectoryInUseError: another process holds it.
            OSError: the file cannot be made.
        """
        file = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with _closed_on_error(file):
            deadline = asyncio.get_running_loop().time() + patience
            while not _try_lock(file):
                owner = os.pread(file, 32, 0).decode("ascii", "replace").strip()
                if _alive(owner) or asyncio.get_running_loop().time() > deadline:
                    raise DirectoryInUseError(self._directory, f"process {owner}" if owner else "another process")
                await asyncio.sleep(_POLL)
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
        self._file = file

    def release(self) -> None:
        """Let go, if held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


@contextmanager
def _closed_on_error(file: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.close(file)
        raise


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
