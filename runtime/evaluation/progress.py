"""How far an evaluation is: a bar on a terminal, and where there is none a line now and then, and at the end."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 10.0


class Bar:
    """A bar over so many records."""

    def __init__(self, console: Console, records: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._records, self._clock = console, records, clock
        self._done, self._said = 0, -1
        self._line_due = clock()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("records", total=records)

    def __enter__(self) -> Self:
        self._progress.start()
        self._say_line()  # a model may take long to load before the first record is done
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave it as it stands, and said: the latest line may be ten seconds old."""
        self._progress.stop()
        self._say_line()

    def show(self, done: int) -> None:
        """So many are done."""
        self._done = done
        self._progress.update(self._task, completed=done)
        if self._clock() >= self._line_due or self._said == 0:  # the first one tells that it works
            self._say_line()

    def _say_line(self) -> None:
        """Where there is no terminal: a line, unless it is the one that was said last."""
        self._line_due = self._clock() + _SECONDS_BETWEEN_LINES
        if not self._console.is_terminal and self._done != self._said:
            self._said = self._done
            self._console.print(f"{self._done:,} of {self._records:,} records", highlight=False)
