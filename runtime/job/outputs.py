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
    """Writes results as they come; what earlier jobs left under the same names is replaced."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            for topic in RESULT_TOPICS:
                self._files[topic.name] = (self._directory / file_name(topic.name)).open("wb")
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

    def write(self, topic: str, value: bytes) -> None:
        """Append one event, exactly as it travelled; a reader of the file sees it at once."""
        self._files[topic].write(value + b"\n")
        self._files[topic].flush()
