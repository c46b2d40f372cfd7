"""What an evaluation is asked to do, and what its files hold; all of it is read before a model is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.errors import UserError
from runtime.evaluation.choosing import Condition, random_part
from runtime.evaluation.labels import Labelled, Labels
from runtime.job.notices import refuse_frameworks_that_never_come
from runtime.job.records_file import objects_in
from runtime.job.task import Task, read_inputs
from runtime.settings import Settings
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
    """

    records: Path
    frameworks: tuple[Path, ...]
    operations: tuple[RecordOperation, ...]
    tenant: str
    label: str
    where: tuple[Condition, ...] = ()
    limit: int | None = None
    seed: int = 0

    @property
    def codes(self) -> bool:
        """Whether records are coded, and so there is something to score."""
        return RecordOperation.ASSIGN_CODES in self.operations


@dataclass(frozen=True, slots=True)
class Sample:
    """The records to evaluate, their frameworks, and what a person should know, a line each."""

    records: list[Labelled]
    frameworks: list[CodingFramework]
    notices: list[str]


def read_sample(settings: Settings, choice: Choice) -> Sample:
    """Read all files.

    Raises:
        UserError: a file cannot be used, or no record is left.
    """
    task = Task(choice.records, choice.frameworks, choice.operations, choice.tenant, workers=1)
    inputs = read_inputs(settings, task)
    refuse_frameworks_that_never_come(inputs.records, inputs.frameworks)  # nor from a Kafka that is set
    labels = Labels(choice.label, inputs.frameworks)
    fitting = [
        (record, line)
        for record, (_, line) in zip(inputs.records, objects_in(choice.records), strict=True)
        if all(condition.holds(line) for condition in choice.where)
    ]
    if not fitting:
        raise UserError(f"No record of {choice.records} fits every --where.", "Correct the conditions, or leave some.")
    if choice.codes:
        found = [labelled for record, line in fitting if (labelled := labels.read(record, line)) is not None]
    else:
        found = [Labelled(record) for record, _ in fitting]
    if not found:
        raise UserError(
            f"Nothing can be scored: {_why_none(labels, choice)}.",
            "Name the field that holds the id of the right code with --label, and give the framework it belongs to.",
        )
    chosen = random_part(found, choice.limit, choice.seed)
    return Sample(chosen, _used(inputs.frameworks, chosen), [*inputs.notices, *labels.notices()])


def _why_none(labels: Labels, choice: Choice) -> str:
    if labels.unknown:
        return f"no label under `{choice.label}` is the id of a code of its record's framework"
    return f"no record has anything under `{choice.label}`"


def _used(frameworks: Sequence[CodingFramework], records: Sequence[Labelled]) -> list[CodingFramework]:
    used = {(one.record.tenant_id, one.record.payload.get("framework_id")) for one in records}
    return [framework for framework in frameworks if (framework.tenant_id, framework.framework_id) in used]
