"""One job per results folder: what two jobs append to and truncate by turns is lost."""

import fcntl
import os
from errno import ENOLCK, ENOTSUP, EOPNOTSUPP
from pathlib import Path

from domain.errors import UserError

NAME = ".feedback-run.lock"
_NO_LOCKS_HERE = {ENOLCK, ENOTSUP, EOPNOTSUPP}


class FolderLock:
    """An exclusive lock on a folder, held through an open file that is removed in the end.

    `runtime.embedded.lock.DirectoryLock` keeps its file, named `lock`, for ever: fine in a directory of ours, but not
    among a person's own files. The kernel lets go of a killed holder's lock; what it leaves is taken over.

    Args:
        folder: it is there already.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock; where the file system knows no locks, go without.

        Raises:
            UserError: another job holds it.
            OSError: the file cannot be made.
        """
        while self._file is None:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                self._lock(file)
                if self._is_still_there(file):
                    os.ftruncate(file, 0)
                    os.pwrite(file, str(os.getpid()).encode(), 0)
                    self._file = file
            finally:
                if self._file is None:
                    os.close(file)

    def release(self) -> None:
        """Remove the file and let go, if held."""
        if self._file is not None:
            file, self._file = self._file, None
            try:
                self._path.unlink(missing_ok=True)  # while it is held: afterwards it may be a successor's
            finally:
                os.close(file)

    def _lock(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(file, 32, 0).decode("ascii", "replace").strip()
            process = f" (process {owner})" if owner.isdigit() else ""
            raise UserError(
                f"{self._folder} is in use by another run{process}.",
                "Choose another folder with --out, or wait until that run has ended.",
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS_HERE:
                raise

    def _is_still_there(self, file: int) -> bool:
        """A holder that ended in between has removed the file that was opened here."""
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False
