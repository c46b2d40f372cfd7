"""Progress of a job, for a person: bars on a terminal, a line now and then, and at the end, where there is none."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from runtime.job.ledger import Ledger
from schemas.operations import RecordOperation

_SECONDS_BETWEEN_LINES = 10.0
_STALLED_SECONDS = 30.0


class _OfTheBars(ProgressColumn):
    """A column that a plain count (a task without a total) leaves empty, or shows in its own way."""

    def __init__(self, column: ProgressColumn, plain: str = "") -> None:
        super().__init__()
        self._column, self._plain = column, plain

    def render(self, task: Task) -> RenderableType:
        """See rich."""
        if task.total is None:
            return Text(self._plain.format(task.completed), style="progress.download")
        return self._column.render(task)


class JobProgress:
    """Bars for published, coded, summarised and stored, a count of dead letters; `update` redraws them."""

    def __init__(self, console: Console, explain: Callable[[], str]) -> None:
        """`explain` says, where nothing moves for half a minute, what keeps the system from going on."""
        self._console = console
        self._explain = explain
        self._state: tuple[int, ...] = ()
        self._changed_at = 0.0
        self._progress = Progress(
            TextColumn("{task.description:<16}"),
            _OfTheBars(BarColumn(bar_width=40)),
            _OfTheBars(MofNCompleteColumn(), "{:.0f}"),
            _OfTheBars(TimeElapsedColumn()),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._latest: tuple[Ledger, int] | None = None
        self._said = ""
        self._said_at = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show where it stands in the end, which may be further than when it was last told."""
        if self._latest is not None:
            self._draw(*self._latest)
            self._say_line(*self._latest)
        if self._console.is_terminal:
            self._progress.stop()

    def update(self, ledger: Ledger, stored: int) -> None:
        """Show where the job stands; `stored` is the number of its LLM calls found in the database."""
        self._latest = ledger, stored
        self._draw(ledger, stored)
        if self._progress.get_time() - self._said_at >= _SECONDS_BETWEEN_LINES:
            self._say_line(ledger, stored)
        self._say_where_stalled(ledger, stored)

    def _draw(self, ledger: Ledger, stored: int) -> None:
        asked = ledger.operations
        self._bar("published", ledger.published, ledger.records)
        if RecordOperation.ASSIGN_CODES in asked:
            self._bar("coded", ledger.coded, asked[RecordOperation.ASSIGN_CODES])
        if RecordOperation.SUMMARIZE in asked:
            self._bar("summarised", ledger.summarised, asked[RecordOperation.SUMMARIZE])
        if RecordOperation.DETECT_SENSITIVE in asked:
            self._bar("screened", ledger.screened, asked[RecordOperation.DETECT_SENSITIVE])
        self._bar("dead-lettered", ledger.dead_letters, None)  # none is as good an end as any: there is no total
        complete = ledger.outcomes == ledger.records
        self._bar("LLM calls stored", stored, max(len(ledger.calls), 0 if complete else sum(asked.values())))

    def _bar(self, name: str, done: int, total: int | None) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)

    def _say_line(self, ledger: Ledger, stored: int) -> None:
        """Where there is no terminal: a line, unless it is the one that was said last."""
        screened = f"screened {ledger.screened}, " if RecordOperation.DETECT_SENSITIVE in ledger.operations else ""
        line = (
            f"published {ledger.published}/{ledger.records}, coded {ledger.coded}, summarised {ledger.summarised}, "
            f"{screened}dead-lettered {ledger.dead_letters}, LLM calls stored {stored}/{len(ledger.calls)}"
        )
        self._said_at = self._progress.get_time()
        if not self._console.is_terminal and line != self._said:
            self._said = line
            self._console.print(line, highlight=False, soft_wrap=True)

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
