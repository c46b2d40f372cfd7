"""The files that a job leaves: one JSON Lines file per result topic, one JSON object per line."""

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

    What an earlier job left under the same names stays until `begin`: a job that cannot start costs nobody results.

    Attributes:
        begun: whether it has.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.begun = False
        self._files: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            for topic in RESULT_TOPICS:
                self._files[topic.name] = (self._directory / file_name(topic.name)).open("ab")
        except OSError as error:
            self.__exit__(None, None, None)
            raise UserError(
                f"{self._directory} cannot be written: {error.strerror}.", "Choose another folder with --out."
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    def begin(self) -> None:
        """Remove what an earlier job left."""
        self.begun = True
        for file in self._files.values():
            file.truncate(0)
        self.usage_file.unlink(missing_ok=True)

    @property
    def usage_file(self) -> Path:
        """Where the job's usage is written in the end."""
        return self._directory / "usage.json"

    def write(self, topic: str, value: bytes) -> None:
        """Append one event, exactly as it travelled; a reader of the file sees it at once."""
        self._files[topic].write(value + b"\n")
        self._files[topic].flush()
