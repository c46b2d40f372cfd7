"""What is told of an exception that nobody expected: its kind and its frames, nothing else.

Its own text may quote feedback, a prompt or a model's answer; so may the source lines that a traceback shows, and the
exceptions among a log record's arguments. None of them is printed, whichever way an exception leaves the process.
"""

import copy
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from domain.errors import FeedbackError

if TYPE_CHECKING:
    import asyncio  # `feedback --help` imports this module

logger = logging.getLogger(__name__)

_MOST_FRAMES = 30
_MOST_LINES = 60


def headline(error: BaseException) -> str:
    """The exception's kind; of one of ours, the sentence too, which never quotes."""
    kind = type(error).__name__
    return f"{kind}: {' '.join(error.message.split())}" if isinstance(error, FeedbackError) else kind


def frames(error: BaseException) -> list[str]:
    """Where it came from, outermost first: `file:line function`; then the same of what caused it, and of its parts."""
    lines = list(_told(error, set()))
    return lines if len(lines) <= _MOST_LINES else [*lines[:_MOST_LINES], "..."]


def _told(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    places = [
        f"{_short(place.filename)}:{place.lineno} {place.name}"
        for place in traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), lookup_lines=False)
    ]
    yield from places if len(places) <= _MOST_FRAMES else ["...", *places[-_MOST_FRAMES:]]
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for name, other in (*(("part", part) for part in parts), ("after", before)):
        if other is not None and id(other) not in seen:
            yield f"{name} {headline(other)}"
            yield from _told(other, seen)


def _short(file: str) -> str:
    """The last three parts of a path: enough to find it, and nothing of the machine that it lies on."""
    return "/".join(Path(file).parts[-3:])


class DiscreetFormatter(logging.Formatter):
    """Writes log records without the text of any exception that is not ours."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, and the frames of its exception, if it has one."""
        discreet = copy.copy(record)
        discreet.exc_text = None
        if isinstance(record.args, tuple):
            discreet.args = tuple(map(_discreet, record.args))
        return super().format(discreet)

    def formatException(  # noqa: N802 - logging's own name
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Kind and frames."""
        error = ei[1]
        return "no exception" if error is None else "\n".join([headline(error), *(f"  {at}" for at in frames(error))])


def _discreet(argument: object) -> object:
    """Errors of the system and of Kafka's client speak of addresses and files; of any other only the kind is told."""
    if not isinstance(argument, BaseException) or isinstance(argument, FeedbackError | OSError):
        return argument
    return argument if type(argument).__module__.partition(".")[0] == "aiokafka" else type(argument).__name__


def say(error: BaseException) -> None:
    """The last words of a process that a bug ends: a line, and the frames below it; to stderr."""
    lines = [f"feedback: a fault in this program: {headline(error)}", *(f"  {at}" for at in frames(error))]
    sys.stderr.write("\n".join(lines) + "\n")


def be_discreet() -> None:
    """Let what Python itself prints of exceptions that nobody caught go the same way."""
    sys.excepthook = lambda _kind, error, _trace: say(error)
    threading.excepthook = lambda given: _log(given.exc_value, "a thread")
    sys.unraisablehook = lambda given: _log(given.exc_value, "a finalizer")


def in_the_loop(_loop: "asyncio.AbstractEventLoop", context: dict[str, Any]) -> None:
    """An event loop's exception handler: the default one would print the task, and with it the exception's text."""
    error = context.get("exception")
    logger.error("%s", context.get("message", "an exception in the event loop"), exc_info=error)


def _log(error: BaseException | None, where: str) -> None:
    logger.error("an exception in %s", where, exc_info=error)
