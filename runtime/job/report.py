"""What a job found, as tables for a person."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adapters.llm.factory import OFFLINE_MODEL
from runtime.job.job_report import JobReport
from runtime.job.outcomes import RecordOutcomes
from runtime.job.records_file import FileRecord
from schemas.dead_letters import DeadLetter
from schemas.operations import RecordOperation
from schemas.results import CodesAssigned, RecordSummarized, SensitivityDetected
from schemas.topics import CODE_ASSIGNMENTS, DEAD_LETTERS, SENSITIVITY, SUMMARIES

_WIDE = 120
_FINDINGS = 2
"""So many of a record's findings are named in the table."""
_CODING, _SUMMARY = RecordOperation.ASSIGN_CODES, RecordOperation.SUMMARIZE
_SCREENING = RecordOperation.DETECT_SENSITIVE
_ANSWERS: dict[str, str] = {
    CODE_ASSIGNMENTS.name: _CODING.value,
    SUMMARIES.name: _SUMMARY.value,
    SENSITIVITY.name: _SCREENING.value,
}
"""The operation that each topic of results answers."""


class Findings:
    """The results of a job, kept for the table: at most `limit` records of them.

    Attributes:
        so_far: how far the job came, also when it was broken off.
    """

    def __init__(self, records: Sequence[FileRecord], limit: int) -> None:
        self._shown = _spread(records, limit)
        self._wanted = {record.line for record in self._shown}  # an id may stand on several lines
        self._codings: dict[int, CodesAssigned] = {}
        self._summaries: dict[int, RecordSummarized] = {}
        self._screenings: dict[int, SensitivityDetected] = {}
        self._outcomes = {
            record.line: RecordOutcomes(frozenset(operation.value for operation in record.operations))
            for record in records
        }
        self._letters: dict[tuple[int, str | None], str] = {}
        self._of_calls: Counter[str] = Counter()
        self._models: set[str] = set()
        self.so_far = JobReport.of_nothing(len(records))

    def keep(self, topic: str, value: bytes, line: int | None) -> None:
        """Take note of one outcome, of the record on this line; None: a dead letter of an LLM call."""
        if topic == DEAD_LETTERS.name:
            letter = DeadLetter.model_validate_json(value)
            if line is None:
                self._of_calls[letter.reason] += 1
            else:
                self._outcomes[line].give_up(letter.operation)
                self._letters[line, letter.operation] = letter.reason
        elif line is not None and topic in _ANSWERS:
            self._outcomes[line].answer(_ANSWERS[topic])
            if line in self._wanted:
                self._keep_result(topic, value, line)

    def _keep_result(self, topic: str, value: bytes, line: int) -> None:
        if topic == CODE_ASSIGNMENTS.name:
            self._codings[line] = coding = CodesAssigned.model_validate_json(value)
            self._models.add(coding.model)
        elif topic == SENSITIVITY.name:
            self._screenings[line] = screening = SensitivityDetected.model_validate_json(value)
            self._models.add(screening.model)
        else:
            self._summaries[line] = summary = RecordSummarized.model_validate_json(value)
            self._models.add(summary.model)

    @property
    def dead_letters(self) -> dict[str, int]:
        """How many dead letters stand, by reason: those that no result followed."""
        standing = (
            reason for (line, operation), reason in self._letters.items() if operation in self._outcomes[line].standing
        )
        return dict(self._of_calls + Counter(standing))

    @property
    def all_shown(self) -> bool:
        """Whether the table has a row for every record."""
        return len(self._shown) == self.so_far.records

    def print(self, console: Console) -> None:
        """Who answered, the table, and a line for each reason of a dead letter."""
        for line in self._about_the_models():
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        console.print(self.table(console.width))
        for reason, count in sorted(self.dead_letters.items()):
            console.print(f"dead letters: {count} x {reason}", highlight=False)

    def table(self, width: int) -> Table:
        """Record and what was asked for: code path and confidence, summary title, findings; or why there is none.

        Where `width` has room for it, also what the record says.
        """
        wide = width >= _WIDE
        asked = {operation for record in self._shown for operation in record.operations}
        title = "Results" if self.all_shown else f"Results ({len(self._shown):,} of {self.so_far.records:,} shown)"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, expand=True)
        table.add_column("record", no_wrap=True)
        if wide:
            table.add_column("feedback", ratio=3, no_wrap=True, overflow="ellipsis")
        if _CODING in asked:
            table.add_column("code path", ratio=5)
            table.add_column("conf.", justify="right", no_wrap=True)
        if _SUMMARY in asked:
            table.add_column("summary title", ratio=3)
        if _SCREENING in asked:
            table.add_column("sensitive", ratio=3)
        for record in self._shown:
            cells = [_plain(record.record_id)]
            if wide:
                cells.append(_plain(record.payload["content"]))
            if _CODING in asked:
                cells += _coding_cells(self._codings.get(record.line), self._why_none(record, _CODING))
            if _SUMMARY in asked:
                summary = self._summaries.get(record.line)
                cells.append(_plain(summary.title) if summary else self._why_none(record, _SUMMARY))
            if _SCREENING in asked:
                screening = self._screenings.get(record.line)
                cells.append(_screening_cell(screening) if screening else self._why_none(record, _SCREENING))
            table.add_row(*cells)
        return table

    def _about_the_models(self) -> Iterator[str]:
        for model in sorted(self._models):
            if model != OFFLINE_MODEL:
                yield f"Model: {_printable(model)}"
            elif self._codings:
                yield f"{model} is no LLM; a confidence below about 0.3 is a guess."
            else:
                yield f"{model} is no LLM."

    def _why_none(self, record: FileRecord, operation: RecordOperation) -> str:
        reason = self._letters.get((record.line, operation)) or self._letters.get((record.line, None))
        return f"dead letter: {_plain(reason)}" if reason and operation in record.operations else "-"


def usage_table(title: str, name: str, entries: Iterable[Mapping[str, Any]]) -> Table:
    """The usage per tenant or per operation as the read API reports it; the grand total comes last."""
    # Narrow: a number that a terminal of 80 columns cuts is no number.
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(name.removesuffix("_id"), no_wrap=True)
    for column in ("invoc.", "calls", "failed", "tokens in", "out", "cost USD", "p95 ms"):
        table.add_column(column, justify="right", no_wrap=True)
    for entry in entries:
        calls, invocations = entry["llm_calls"], entry["invocations"]
        table.add_row(
            _plain(str(entry.get(name) or "total")),
            _number(invocations["total"]),
            _number(calls["total"]),
            _number(calls["failed"]),
            _number(calls["input_tokens"]["total"]),
            _number(calls["output_tokens"]["total"]),
            str(calls["cost_usd"]) + ("+" if calls["unpriced"] else ""),
            _number(calls["duration_ms"]["p95"]),
        )
    return table


def as_json(value: object) -> str:
    """Readable JSON for a file."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _coding_cells(coding: CodesAssigned | None, why_none: str) -> tuple[str, str]:
    if coding is None:
        return why_none, "-"
    if not coding.codes:
        return f"[dim]none: {_plain(coding.abstained_because or '')}[/dim]", "-"
    best = coding.codes[0]
    return _plain(" > ".join(step.name for step in best.path)), f"{best.confidence:.2f}"


def _screening_cell(screening: SensitivityDetected) -> str:
    if not screening.findings:
        return "[dim]no[/dim]"
    named = ", ".join(finding.type for finding in screening.findings[:_FINDINGS])
    further = len(screening.findings) - _FINDINGS
    return f"{named}, +{further}" if further > 0 else named


def _plain(text: str) -> str:
    """One line that a terminal shows as it stands: no control characters, no markup."""
    return escape(_printable(text))


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text).strip()


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _spread(records: Sequence[FileRecord], limit: int) -> list[FileRecord]:
    """At most `limit` records, spread evenly over the file."""
    if len(records) <= limit:
        return list(records)
    return [records[position * len(records) // limit] for position in range(limit)]
