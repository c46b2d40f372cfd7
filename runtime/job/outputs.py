"""The files that a job leaves: one JSON Lines file per result topic, one JSON object per line."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOENT
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from domain.errors import FeedbackError, UserError
from runtime.job.folder_lock import FolderLock
from schemas.topics import (
    ANALYSES,
    CODE_ASSIGNMENTS,
    DEAD_LETTERS,
    SENSITIVITY,
    SUMMARIES,
    Topic,
)

RESULT_TOPICS: tuple[Topic, ...] = (CODE_ASSIGNMENTS, SUMMARIES, SENSITIVITY, ANALYSES, DEAD_LETTERS)
"""A judge's opinions are no results of a job: it does not wait for them, nor count their calls."""


def file_name(topic: str) -> str:
    """`feedback.code-assignments` -> `code-assignments.jsonl`."""
    return topic.removeprefix("feedback.") + ".jsonl"


class ResultsNotWrittenError(FeedbackError):
    """The folder takes no more, or no longer."""

    def __init__(self, folder: Path, cause: OSError) -> None:
        super().__init__(
            f"The results cannot be written to {folder}: {(cause.strerror or type(cause).__name__).lower()}. What came "
            "before is there, in whole lines. Make room, or choose another folder with --out, and run again."
        )


class ResultFiles:
    """Writes results as they come.

    Results may have been paid for: those of an earlier job are replaced only where `overwrite` says so, and not before
    there is something to replace them with. A job that ends before that leaves the folder as it was. While it is
    entered, no other job may write there.

    Args:
        directory: made where there is none.
        overwrite: whether results of an earlier job may go.

    Attributes:
        directory: as it was given.
        begun: whether the files are this job's.
    """

    def __init__(self, directory: Path, *, overwrite: bool = False) -> None:
        self.directory = directory
        self._overwrite = overwrite
        self.begun = False
        self._lock = FolderLock(directory)
        self._files: dict[str, FileIO] = {}
        self._made_folders: list[Path] = []
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        """Take the folder.

        Raises:
            UserError: it holds results of an earlier job, another job writes there, or it cannot be written.
        """
        try:
            self._make_folders()
            self._lock.acquire()
            self._refuse_to_lose_results()
            for topic in RESULT_TOPICS:
                path = self.directory / file_name(topic.name)
                if not path.exists():
                    self._made.append(path)
                self._files[topic.name] = path.open("ab", buffering=0)  # what failed is not tried again
        except UserError:
            self.__exit__(None, None, None)
            raise
        except OSError as error:
            self.__exit__(None, None, None)
            nowhere = error.errno == ENOENT  # its parent is there, but takes no folder: one of /proc, say
            why = "no folder can be made at that place" if nowhere else error.strerror
            raise UserError(
                f"{self.directory} cannot be written: {why}.", "Choose another folder with --out."
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            with contextlib.suppress(OSError):
                file.close()
        for path in [] if self.begun else self._made:
            with contextlib.suppress(OSError):
                path.unlink()
        with contextlib.suppress(OSError):
            self._lock.release()
        for path in [] if self.begun else self._made_folders:
            with contextlib.suppress(OSError):
                path.rmdir()

    def _refuse_to_lose_results(self) -> None:
        paths = [self.usage_file, *(self.directory / file_name(topic.name) for topic in RESULT_TOPICS)]
        if not self._overwrite and any(path.is_file() and path.stat().st_size for path in paths):
            raise UserError(
                f"{self.directory} holds results of an earlier run.",
                "Choose another folder with --out, or give --overwrite to replace them.",
            )

    def _make_folders(self) -> None:
        self._made_folders = [path for path in (self.directory, *self.directory.parents) if not path.exists()]
        self.directory.mkdir(parents=True, exist_ok=True)

    def begin(self) -> None:
        """Remove what an earlier job left; the first result does it too.

        Raises:
            ResultsNotWrittenError: it cannot be removed.
        """
        if self.begun:
            return
        self.begun = True
        with self._told():
            for file in self._files.values():
                file.truncate(0)
            self.usage_file.unlink(missing_ok=True)

    @property
    def usage_file(self) -> Path:
        """Where the job's usage is written in the end."""
        return self.directory / "usage.json"

    def write(self, topic: str, value: bytes) -> None:
        """Append one event, exactly as it travelled; a reader of the file sees it at once.

        Raises:
            ResultsNotWrittenError: a full disk, say; nothing of the event stays in the file.
        """
        self.begin()
        with self._told():
            _append(self._files[topic], value + b"\n")

    def write_usage(self, text: str) -> None:
        """Write the usage, or nothing.

        Raises:
            ResultsNotWrittenError: as `write`.
        """
        with self._told():
            try:
                self.usage_file.write_text(text, encoding="utf-8")
            except OSError:
                self.usage_file.unlink(missing_ok=True)
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ResultsNotWrittenError(self.directory, error) from error


def _append(file: FileIO, line: bytes) -> None:
    """Write the whole line, or leave the file as it was: a disk that fills up takes a part of it."""
    written = 0
    try:
        while written < len(line):
            written += file.write(line[written:])
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(file.tell() - written)
        raise
