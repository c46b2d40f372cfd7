"""What a job waits for: every record's outcome, counted by the ids that the results will carry.

The ids of results and dead letters follow from the id of the input event, which the job itself gives: so the job can
tell its own results from everything else on shared topics, and counts a repeat once.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from runtime.job.outcomes import RecordOutcomes
from runtime.job.records_file import FileRecord
from schemas.cloudevents import SOURCE, deterministic_id, identify
from schemas.operations import RecordOperation
from schemas.topics import LLM_CALLS, RECORDS


class Seen(StrEnum):
    """What an event on an output topic is to this job."""

    NEW = "new"
    REPEAT = "repeat"
    FOREIGN = "foreign"


@dataclass(slots=True)
class _Expected:
    record: FileRecord
    outcomes: RecordOutcomes


@dataclass(slots=True)
class Ledger:
    """The records of one job and what has come for them.

    Attributes:
        published, coded, summarised, screened: how many records were published, and results of each kind came.
        dead_letters: distinct dead letters for these records that stand: no result has come for them.
        calls: distinct ids of LLM calls that were made for these records.
        refused: those of the calls that the database refused: they never become rows.
        versions: of the frameworks that the job publishes, by tenant_id and framework_id.
        miscoded: codings by tenant_id, framework_id and version that were made with another version of such a one.
    """

    run_id: str
    published: int = 0
    coded: int = 0
    summarised: int = 0
    screened: int = 0
    other_results: int = 0
    dead_letters: int = 0
    calls: set[UUID] = field(default_factory=set)
    refused: set[UUID] = field(default_factory=set)
    versions: dict[tuple[str, str], str] = field(default_factory=dict)
    miscoded: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _expected: dict[int, _Expected] = field(default_factory=dict)
    _results: dict[UUID, tuple[int, str]] = field(default_factory=dict)
    _letters: dict[UUID, tuple[int, str | None]] = field(default_factory=dict)
    _by_trace: set[str] = field(default_factory=set)
    _letters_of_calls: set[UUID] = field(default_factory=set)
    _call_by_letter: dict[UUID, UUID] = field(default_factory=dict)

    def event_id(self, record: FileRecord) -> str:
        """The `ce_id` that a record of this job is published with."""
        return f"{self.run_id}-{record.line}"

    def expect(self, record: FileRecord, source: str) -> str:
        """Wait for a record's outcome; returns the trace id (32 hex digits) to publish it with."""
        headers = (("ce_source", source.encode()), ("ce_id", self.event_id(record).encode()))
        identity = identify(RECORDS.name, None, None, headers)
        operations = frozenset(operation.value for operation in record.operations)
        self._expected[record.line] = _Expected(record, RecordOutcomes(operations))
        for operation in operations:
            self._results[deterministic_id(identity.event_id, operation)] = (record.line, operation)
            self._letters[deterministic_id(identity.event_id, "dead_letter", operation)] = (record.line, operation)
        self._letters[deterministic_id(identity.event_id, "dead_letter", "")] = (record.line, None)
        self._by_trace.add(identity.trace_id)
        return identity.trace_id

    def awaits_result(self, result_id: UUID) -> bool:
        """Whether a result with this id would be new: also where a dead letter has come in its place."""
        line, operation = self._results.get(result_id, (None, ""))
        return line is not None and operation not in self._expected[line].outcomes.answered

    def awaits_dead_letter(self, dead_letter_id: UUID) -> bool:
        """Whether a dead letter with this id would be new, and stand: not where the result has come."""
        line, operation = self._letters.get(dead_letter_id, (None, None))
        return line is not None and self._expected[line].outcomes.would_stand(operation)

    def coded_with(self, tenant_id: str, framework_id: str, version: str) -> None:
        """A record was coded; on a shared Kafka somebody else may have published under the same key meanwhile."""
        if self.versions.get((tenant_id, framework_id), version) != version:
            self.miscoded[tenant_id, framework_id, version] += 1

    def result(self, result_id: UUID) -> Seen:
        """A result came; it counts once, and a dead letter that came in its place counts no longer."""
        if result_id not in self._results:
            return Seen.FOREIGN
        line, operation = self._results[result_id]
        outcomes = self._expected[line].outcomes
        before = len(outcomes.standing)
        if not outcomes.answer(operation):
            return Seen.REPEAT
        self.dead_letters += len(outcomes.standing) - before
        if operation == RecordOperation.ASSIGN_CODES:
            self.coded += 1
        elif operation == RecordOperation.SUMMARIZE:
            self.summarised += 1
        elif operation == RecordOperation.DETECT_SENSITIVE:
            self.screened += 1
        else:
            self.other_results += 1
        return Seen.NEW

    def dead_letter(self, dead_letter_id: UUID) -> Seen:
        """A dead letter came; it counts once, and as long as no result comes for it."""
        if dead_letter_id not in self._letters:
            return Seen.FOREIGN
        line, operation = self._letters[dead_letter_id]
        outcomes = self._expected[line].outcomes
        before = len(outcomes.standing)
        new = outcomes.give_up(operation)
        self.dead_letters += len(outcomes.standing) - before
        return Seen.NEW if new else Seen.REPEAT

    def llm_call(self, call_id: UUID, trace_id: str | None) -> Seen:
        """An LLM call was recorded; it counts once."""
        if trace_id not in self._by_trace:
            return Seen.FOREIGN
        if call_id in self.calls:
            return Seen.REPEAT
        self.calls.add(call_id)
        letter_id = dead_letter_of_call(call_id)
        self._call_by_letter[letter_id] = call_id
        if letter_id in self._letters_of_calls:
            self.refused.add(call_id)
        return Seen.NEW

    def refused_call(self, dead_letter_id: UUID) -> Seen:
        """An LLM call has this dead letter instead of a row; it may come to be known before the call itself."""
        if dead_letter_id in self._letters_of_calls:
            return Seen.REPEAT
        self._letters_of_calls.add(dead_letter_id)
        call_id = self._call_by_letter.get(dead_letter_id)
        if call_id is None:
            return Seen.FOREIGN
        self.refused.add(call_id)
        return Seen.NEW

    def line_of(self, outcome_id: UUID) -> int:
        """The line of the record that a result or a dead letter is for.

        Raises:
            KeyError: it is not this job's.
        """
        return (self._results if outcome_id in self._results else self._letters)[outcome_id][0]

    @property
    def settled(self) -> int:
        """How many results and dead letters have come, without dead letters that a result has replaced."""
        return self.coded + self.summarised + self.screened + self.other_results + self.dead_letters

    @property
    def records(self) -> int:
        """How many records the job has."""
        return len(self._expected)

    @property
    def outcomes(self) -> int:
        """How many records have an outcome for everything that was asked of them."""
        return sum(1 for expected in self._expected.values() if expected.outcomes.complete)

    @property
    def operations(self) -> dict[str, int]:
        """How many records asked for each operation."""
        counts: dict[str, int] = {}
        for expected in self._expected.values():
            for operation in expected.record.operations:
                counts[operation.value] = counts.get(operation.value, 0) + 1
        return counts


def dead_letter_of_call(call_id: UUID) -> UUID:
    """The id of the dead letter that an LLM call of our workers has where it has no row.

    It follows from the headers that they publish each call with, as the consumer reads them.
    """
    headers = (("ce_source", SOURCE.encode()), ("ce_id", str(call_id).encode()))
    return deterministic_id(identify(LLM_CALLS.name, None, None, headers).event_id, "dead_letter", "")
