"""Progress of a job, for a person: bars on a terminal, a line now and then where there is none."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from runtime.job.ledger import Ledger
from schemas.operations import RecordOperation

_SECONDS_BETWEEN_LINES = 10.0
_STALLED_SECONDS = 30.0


class JobProgress:
    """Bars for published, coded, summarised, dead-lettered and stored; `update` redraws them."""

    def __init__(self, console: Console, explain: Callable[[], str]) -> None:
        """`explain` says, where nothing moves for half a minute, what keeps the system from going on."""
        self._console = console
        self._explain = explain
        self._state: tuple[int, ...] = ()
        self._changed_at = 0.0
        self._progress = Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._last_line = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def update(self, ledger: Ledger, stored: int) -> None:
        """Show where the job stands; `stored` is the number of its LLM calls found in the database."""
        asked = ledger.operations
        self._bar("published", ledger.published, ledger.records)
        if RecordOperation.ASSIGN_CODES in asked:
            self._bar("coded", ledger.coded, asked[RecordOperation.ASSIGN_CODES])
        if RecordOperation.SUMMARIZE in asked:
            self._bar("summarised", ledger.summarised, asked[RecordOperation.SUMMARIZE])
        self._bar("dead-lettered", ledger.dead_letters, ledger.records)
        self._bar("LLM calls stored", stored, max(len(ledger.calls), sum(asked.values())))
        self._line(ledger, stored)
        self._say_where_stalled(ledger, stored)

    def _bar(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)

    def _line(self, ledger: Ledger, stored: int) -> None:
        if self._console.is_terminal or self._progress.get_time() - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = self._progress.get_time()
        self._console.print(
            f"published {ledger.published}/{ledger.records}, coded {ledger.coded}, summarised {ledger.summarised}, "
            f"dead-lettered {ledger.dead_letters}, LLM calls stored {stored}/{len(ledger.calls)}",
            highlight=False,
        )

    def _say_where_stalled(self, ledger: Ledger, stored: int) -> None:
        now = self._progress.get_time()
        state = (ledger.published, ledger.outcomes, len(ledger.calls), stored)
        if state != self._state:
            self._state, self._changed_at = state, now
        elif now - self._changed_at >= _STALLED_SECONDS:
            self._changed_at = now
            self._console.print(
                f"Nothing new for {_STALLED_SECONDS:.0f} seconds. {self._explain()}", highlight=False, markup=False
            )
