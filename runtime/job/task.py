"""What a job is asked to do, and what its files hold; all of it is read before anything is started."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from runtime.job.framework_files import read_frameworks
from runtime.job.notices import notices, refuse_codings_without_framework, refuse_frameworks_that_never_come
from runtime.job.records_file import FileRecord, read_records, tenants_in
from runtime.settings import Settings
from schemas.frameworks import CodingFramework
from schemas.operations import RecordOperation


@dataclass(frozen=True, slots=True)
class Task:
    """What a person asked for.

    Attributes:
        records: the JSON Lines file.
        frameworks: coding frameworks; none = summaries only.
        operations: what to ask of every record; None = what fits.
        tenant: the tenant of records that name none.
        workers: how many stream workers.
        api: whether to start the read API as well.
        model: the model that was asked for by name, where one was.
        give_up_after: as `runtime.job.job.Job` takes it.
    """

    records: Path
    frameworks: tuple[Path, ...]
    operations: tuple[RecordOperation, ...] | None
    tenant: str
    workers: int
    api: bool = False
    model: str | None = None
    give_up_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the files hold, and what a person should know of it before the start, a line each.

    Attributes:
        named: those of the frameworks whose file names their framework_id.
        published_ids: (tenant, name of the file) to framework_id, of the others.
    """

    records: list[FileRecord]
    frameworks: list[CodingFramework]
    notices: list[str]
    named: list[CodingFramework] = field(default_factory=list)
    published_ids: Mapping[tuple[str, str], str] = field(default_factory=dict)


def read_inputs(settings: Settings, task: Task) -> Inputs:
    """Read all files before anything is started, and look whether they fit each other.

    Raises:
        UserError: as `read_files` and `checked`.
    """
    return checked(settings, task, read_files(task))


def read_files(task: Task) -> Inputs:
    """What the files hold, without notices: whether it fits is for `checked` to say.

    Raises:
        UserError: a file cannot be used.
    """
    given = read_frameworks(task.frameworks, tenants_in(task.records, task.tenant))
    frameworks = given.frameworks
    ids = {framework.tenant_id: framework.framework_id for framework in frameworks}
    records = _by_published_ids(read_records(task.records, task.tenant, ids, task.operations), given.published_ids)
    return Inputs(records, frameworks, [], given.named, given.published_ids)


def checked(settings: Settings, task: Task, inputs: Inputs) -> Inputs:
    """The same, with what a person should know of it.

    Raises:
        UserError: records shall be coded with a framework that is not there, or none.
    """
    refuse_codings_without_framework(inputs.records, inputs.frameworks)
    may_code = task.operations is None or RecordOperation.ASSIGN_CODES in task.operations
    if not settings.kafka_bootstrap_servers:
        refuse_frameworks_that_never_come(inputs.records, inputs.frameworks)
    return replace(inputs, notices=notices(inputs.records, inputs.frameworks, may_code=may_code))


def _by_published_ids(records: Sequence[FileRecord], published_ids: Mapping[tuple[str, str], str]) -> list[FileRecord]:
    """A record may name its framework as the file is named; what is published has a longer id."""
    return [
        replace(record, payload={**record.payload, "framework_id": published_ids[name]})
        if (name := (record.tenant_id, str(record.payload.get("framework_id")))) in published_ids
        else record
        for record in records
    ]
