"""The files that a job leaves: one JSON Lines file per result topic, one JSON object per line."""

import contextlib
from errno import ENOENT
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from domain.errors import UserError
from schemas.topics import (
    ANALYSES,
    CODE_ASSIGNMENTS,
    DEAD_LETTERS,
    JUDGEMENTS,
    SENSITIVITY,
    SUMMARIES,
    Topic,
)

RESULT_TOPICS: tuple[Topic, ...] = (CODE_ASSIGNMENTS, SUMMARIES, SENSITIVITY, ANALYSES, JUDGEMENTS, DEAD_LETTERS)


def file_name(topic: str) -> str:
    """`feedback.code-assignments` -> `code-assignments.jsonl`."""
    return topic.removeprefix("feedback.") + ".jsonl"


class ResultFiles:
    """Writes results as they come.

    Results may have been paid for: those of an earlier job are replaced only where `overwrite` says so, and not before
    there is something to replace them with. A job that ends before that leaves the folder as it was.

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
        self._files: dict[str, IO[bytes]] = {}
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        """Take the folder.

        Raises:
            UserError: it holds results of an earlier job, or cannot be written.
        """
        try:
            self._refuse_to_lose_results()
            self._make_folders()
            for topic in RESULT_TOPICS:
                path = self.directory / file_name(topic.name)
                if not path.exists():
                    self._made.append(path)
                self._files[topic.name] = path.open("ab")
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
            file.close()
        if not self.begun:
            for path in reversed(self._made):
                with contextlib.suppress(OSError):
                    path.rmdir() if path.is_dir() else path.unlink()

    def _refuse_to_lose_results(self) -> None:
        paths = [self.usage_file, *(self.directory / file_name(topic.name) for topic in RESULT_TOPICS)]
        if not self._overwrite and any(path.is_file() and path.stat().st_size for path in paths):
            raise UserError(
                f"{self.directory} holds results of an earlier run.",
                "Choose another folder with --out, or give --overwrite to replace them.",
            )

    def _make_folders(self) -> None:
        self._made += reversed([path for path in (self.directory, *self.directory.parents) if not path.exists()])
        self.directory.mkdir(parents=True, exist_ok=True)

    def begin(self) -> None:
        """Remove what an earlier job left; the first result does it too."""
        if self.begun:
            return
        self.begun = True
        for file in self._files.values():
            file.truncate(0)
        self.usage_file.unlink(missing_ok=True)

    @property
    def usage_file(self) -> Path:
        """Where the job's usage is written in the end."""
        return self.directory / "usage.json"

    def write(self, topic: str, value: bytes) -> None:
        """Append one event, exactly as it travelled; a reader of the file sees it at once."""
        self.begin()
        self._files[topic].write(value + b"\n")
        self._files[topic].flush()
