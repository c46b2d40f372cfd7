"""What an evaluation is asked to do, and what its files hold; all of it is read before a model is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from domain.errors import UserError
from runtime.evaluation.choosing import Condition, random_part
from runtime.evaluation.labels import Labelled, Labels
from runtime.evaluation.lessons import (
    NO_BOOK,
    Book,
    Lesson,
    book_of,
    learn_share_of,
    read_corrections,
    refuse_those_of,
    without_texts_of,
)
from runtime.job.notices import refuse_frameworks_that_never_come
from runtime.job.records_file import FileRecord, objects_in
from runtime.job.task import Inputs, Task, checked, read_files
from runtime.settings import Settings
from schemas.base import shown
from schemas.frameworks import CodingFramework
from schemas.operations import RecordOperation


@dataclass(frozen=True, slots=True)
class Choice:
    """Which records, and what of them.

    Attributes:
        records, frameworks, operations, tenant: as `runtime.job.task.Task` has them.
        label: the field with the code that a person chose, such as `metadata.codes`.
        where: conditions that a record must fit, all of them.
        limit, seed: at most so many records, chosen at random.
        corrections: a file of corrections to learn from first.
        learn_share: of the labelled records, chosen at random: these are learned from, the others asked about.
    """

    records: Path
    frameworks: tuple[Path, ...]
    operations: tuple[RecordOperation, ...]
    tenant: str
    label: str
    where: tuple[Condition, ...] = ()
    limit: int | None = None
    seed: int = 0
    corrections: Path | None = None
    learn_share: float | None = None

    @property
    def codes(self) -> bool:
        """Whether records are coded, and so there is something to score."""
        return RecordOperation.ASSIGN_CODES in self.operations


@dataclass(frozen=True, slots=True)
class Sample:
    """The records to evaluate, their frameworks, what a person should know, a line each, and what to learn first."""

    records: list[Labelled]
    frameworks: list[CodingFramework]
    notices: list[str]
    book: Book = NO_BOOK


def read_sample(settings: Settings, choice: Choice) -> Sample:
    """Read all files.

    Raises:
        UserError: a file cannot be used, no record is left, or corrections are those of the records themselves.
    """
    if (choice.corrections or choice.learn_share is not None) and not choice.codes:
        raise UserError("Corrections teach codes, and no codes are asked for.", "Add assign_codes to --operations.")
    task = Task(choice.records, choice.frameworks, choice.operations, choice.tenant, workers=1)
    everything = read_files(task)
    fitting = _fitting(choice, everything.records)
    inputs = checked(settings, task, _only(everything, [record for record, _ in fitting]))
    refuse_frameworks_that_never_come(inputs.records, inputs.frameworks)  # nor from a Kafka that is set
    labels = Labels(choice.label, inputs.frameworks)
    if choice.codes:
        found = [labelled for record, line in fitting if (labelled := labels.read(record, line)) is not None]
        _refuse_nothing_to_score(choice, labels, found)
    else:
        found = [Labelled(record) for record, _ in fitting]
    lessons, rest, notices = _parted(choice, inputs, found)
    chosen = random_part(rest, choice.limit, choice.seed)
    frameworks = _used(inputs.frameworks, chosen)
    book = book_of(settings, lessons, frameworks)
    return Sample(chosen, frameworks, [*inputs.notices, *labels.notices(), *notices, *book.notices], book)


def _fitting(choice: Choice, records: Sequence[FileRecord]) -> list[tuple[FileRecord, dict[str, Any]]]:
    """The records that fit every --where, each with its line of the file."""
    lines = zip(records, (line for _, line in objects_in(choice.records)), strict=True)
    found = [(record, line) for record, line in lines if all(one.holds(line) for one in choice.where)]
    if not found:
        raise UserError(
            f"No record of {choice.records} fits every --where.", "Correct the conditions, or leave some out."
        )
    return found


def _only(inputs: Inputs, records: list[FileRecord]) -> Inputs:
    """As if the file held these records alone: nobody need give, or hear of, a framework for the others."""
    left_out = {record.tenant_id for record in inputs.records} - {record.tenant_id for record in records}
    frameworks = [framework for framework in inputs.frameworks if framework.tenant_id not in left_out]
    return replace(inputs, records=records, frameworks=frameworks)


def _parted(
    choice: Choice, inputs: Inputs, found: list[Labelled]
) -> tuple[list[Lesson], Sequence[Labelled], list[str]]:
    """What is learned, the records that are asked about, and a line on each kind that is left out."""
    lessons: list[Lesson] = []
    notices: list[str] = []
    rest: list[Labelled] = found
    if choice.corrections is not None:
        lessons, notices = read_corrections(choice.corrections, inputs.published_ids)
        refuse_those_of(lessons, inputs.records, choice.records)
    if choice.learn_share is not None:
        learned, rest = learn_share_of(found, choice.learn_share, choice.seed)
        lessons += learned
    new = without_texts_of(lessons, rest)
    if not new:
        raise UserError("Every record has the text of one that is learned from.", "Give other records.")
    if len(new) < len(rest):
        same = f"{len(rest) - len(new):,} records have the text of one that is learned from, and are left out."
        notices = [*notices, same]
    return lessons, new, notices


def _refuse_nothing_to_score(choice: Choice, labels: Labels, found: Sequence[Labelled]) -> None:
    """See that there are labels, and that, where any name a code, some name one of a framework."""
    if labels.unknown and not any(one.right for one in found):
        # Several words may be somebody's text, where the field is another one than was meant.
        several_words = len(labels.first_unknown.split()) > 1
        which = "" if several_words else f": {shown(labels.first_unknown)}"
        raise UserError(
            f"Nothing can be scored: no label under `{choice.label}` is the id of a code of its record's framework "
            f"(the first stands on line {labels.unknown[0]}{which}).",
            "Give the framework that the labels belong to with --framework, or name another field with --label.",
        )
    if not found:
        raise UserError(
            f"Nothing can be scored: no record has anything under `{choice.label}`.",
            "Name the field that holds the id of the right code with --label, and give the framework it belongs to.",
        )


def _used(frameworks: Sequence[CodingFramework], records: Sequence[Labelled]) -> list[CodingFramework]:
    used = {(one.record.tenant_id, one.record.payload.get("framework_id")) for one in records}
    return [framework for framework in frameworks if (framework.tenant_id, framework.framework_id) in used]
