"""`feedback run` and `feedback demo` from the files to the report: a system of their own, and one job on it."""

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from adapters.kafka.groups import members_of
from adapters.postgres.stored_calls import find_stored
from domain.errors import UserError
from runtime import wiring
from runtime.directories import make_private
from runtime.job.framework_files import read_frameworks
from runtime.job.job import Job, JobReport
from runtime.job.outputs import ResultFiles
from runtime.job.progress import JobProgress
from runtime.job.records_file import FileRecord, read_records, tenants_in
from runtime.job.report import Findings
from runtime.process import first
from runtime.settings import Settings
from runtime.system.system import Shape, System, running_system
from schemas.frameworks import CodingFramework
from schemas.operations import RecordOperation

_EMBEDDED_DRAIN_SECONDS = 2.0


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
    """

    records: Path
    frameworks: tuple[Path, ...]
    operations: tuple[RecordOperation, ...] | None
    tenant: str
    workers: int
    api: bool = False
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the files hold."""

    records: list[FileRecord]
    frameworks: list[CodingFramework]


def read_inputs(task: Task) -> Inputs:
    """Read all files before anything is started.

    Raises:
        UserError: a file cannot be used.
    """
    frameworks = read_frameworks(task.frameworks, tenants_in(task.records, task.tenant))
    ids = {framework.tenant_id: framework.framework_id for framework in frameworks}
    return Inputs(read_records(task.records, task.tenant, ids, task.operations), frameworks)


@asynccontextmanager
async def temporary_system(settings: Settings, task: Task, console: Console) -> AsyncIterator[System]:
    """A system for one job. Embedded servers get a fresh directory, which goes with them; its logs stay.

    Raises:
        UserError: it cannot start.
    """
    home = settings.feedback_home
    make_private(home)
    changes: dict[str, object] = {}
    workers = task.workers
    if settings.kafka_bootstrap_servers:
        workers = await _workers_beside_others(settings, task, console)
    else:
        # Nobody else's inputs are there: a job of nothing but bad records shall say so of each, and end.
        changes["dead_letter_share"] = 1.0
    if not (settings.kafka_bootstrap_servers and wiring.database_url(settings)):
        # What would be left after a job that was broken off goes with the directory.
        changes["drain_seconds"] = min(settings.drain_seconds, _EMBEDDED_DRAIN_SECONDS)
    directory = Path(tempfile.mkdtemp(prefix="job-", dir=home))  # which only its owner can enter
    try:
        async with running_system(
            settings.model_copy(update=changes),
            Shape(directory, workers, task.api, lasting=not settings.kafka_bootstrap_servers),
            lambda line: console.print(line, highlight=False, markup=False),
            lambda what: console.print(f"Starting {what} ...", highlight=False, markup=False),
        ) as system:
            yield system
    finally:
        logs = home / "last-job-logs"
        shutil.rmtree(logs, ignore_errors=True)
        with contextlib.suppress(OSError):
            shutil.move(directory / "logs", logs)
        shutil.rmtree(directory, ignore_errors=True)


async def _workers_beside_others(settings: Settings, task: Task, console: Console) -> int:
    """How many workers to start on a Kafka that is given: none where workers of the group are there already.

    A group of the job's own would answer all that ever stood on the topics. And workers of the job beside those of a
    running system would answer each other's records, each with its own model.

    Raises:
        UserError: a model is asked for, but others will answer.
    """
    there = await members_of(wiring.kafka_connection(settings), settings.worker_group)
    if there == 0:
        return task.workers
    if task.model is not None:
        raise UserError(
            f"Workers of the group {settings.worker_group} are at work on that Kafka, with a model of their own: "
            "--model would not count.",
            "Leave --model out to let them answer, or unset KAFKA_BOOTSTRAP_SERVERS to run on embedded servers.",
        )
    console.print(
        f"Workers of the group {settings.worker_group} are at work on that Kafka ({there}); they answer this job's "
        "records, and no other is started.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    return 0


async def run_job(
    system: System, inputs: Inputs, console: Console, files: ResultFiles | None, findings: Findings
) -> JobReport:
    """Publish, follow, wait; also when broken off, `findings.so_far` tells how far it came.

    Raises:
        UserError, WorkerHaltedError: a process of the system cannot go on.
    """

    def keep(topic: str, value: bytes) -> None:
        findings.keep(topic, value)
        if files is not None:
            files.write(topic, value)

    async with wiring.database_engine(system.settings) as engine:
        with JobProgress(console, system.supervisor.complaint) as progress:
            job = Job(
                wiring.kafka_connection(system.settings),
                wiring.publisher(system.settings),
                partial(find_stored, engine),
                keep,
                progress.update,
            )
            try:
                await first(job.run(inputs.frameworks, inputs.records), system.supervisor.failed())
            finally:
                findings.so_far = job.so_far()
        return await job.report()
