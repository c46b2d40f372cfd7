"""`feedback run` and `feedback demo` from the files to the report: a system of their own, and one job on it."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from adapters.kafka.groups import members_of
from adapters.llm.factory import OFFLINE_PROVIDER, check_model
from adapters.postgres.stored_calls import find_stored
from domain.errors import UserError
from runtime import wiring
from runtime.directories import make_private
from runtime.job.framework_files import read_frameworks
from runtime.job.job import Job, JobReport
from runtime.job.notices import notices, refuse_codings_without_framework
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
_LOGS = "last-job-logs"


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
        give_up_after: seconds without any outcome until it waits no longer; 0: it waits for ever.
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
    """What the files hold, and what a person should know of it before the start, a line each."""

    records: list[FileRecord]
    frameworks: list[CodingFramework]
    notices: list[str]


def read_inputs(settings: Settings, task: Task) -> Inputs:
    """Read all files before anything is started.

    Raises:
        UserError: a file cannot be used, or records shall be coded without a framework.
    """
    frameworks = read_frameworks(task.frameworks, tenants_in(task.records, task.tenant))
    ids = {framework.tenant_id: framework.framework_id for framework in frameworks}
    records = read_records(task.records, task.tenant, ids, task.operations)
    refuse_codings_without_framework(records, frameworks)
    may_code = task.operations is None or RecordOperation.ASSIGN_CODES in task.operations
    own_kafka = not settings.kafka_bootstrap_servers
    return Inputs(records, frameworks, notices(records, frameworks, may_code=may_code, own_kafka=own_kafka))


@asynccontextmanager
async def temporary_system(settings: Settings, task: Task, console: Console) -> AsyncIterator[System]:
    """A system for one job. Embedded servers get a fresh directory, which goes with them; its logs stay.

    Raises:
        UserError: it cannot start, or its model cannot be used as it is set; then nothing has been started.
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
        changes["drain_seconds"] = drain_seconds(settings)
    if workers:
        await _check_model(settings, console)
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
        logs = home / _LOGS
        shutil.rmtree(logs, ignore_errors=True)
        with contextlib.suppress(OSError):
            shutil.move(directory / "logs", logs)
        shutil.rmtree(directory, ignore_errors=True)


def drain_seconds(settings: Settings) -> float:
    """The time that the job's workers get to finish in."""
    if settings.kafka_bootstrap_servers and wiring.database_url(settings):
        return settings.drain_seconds
    return min(settings.drain_seconds, _EMBEDDED_DRAIN_SECONDS)


async def _check_model(settings: Settings, console: Console) -> None:
    """The workers would find the same, but only once the servers run.

    Raises:
        UserError: no such provider or model, or a key is missing.
    """
    model = wiring.llm_settings(settings)
    if model.provider == OFFLINE_PROVIDER:
        check_model(model)
        return
    console.print(f"Checking the model {model.model} ...", highlight=False, markup=False, soft_wrap=True)
    await asyncio.to_thread(check_model, model)


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
    system: System, task: Task, inputs: Inputs, console: Console, files: ResultFiles | None, findings: Findings
) -> JobReport:
    """Publish, follow, wait; also when broken off, `findings.so_far` tells how far it came.

    A job that gave up has what came until then in its report, and why.

    Raises:
        UserError, WorkerHaltedError: a process of the system cannot go on.
    """

    def keep(topic: str, value: bytes, line: int | None) -> None:
        findings.keep(topic, value, line)
        if files is not None:
            files.write(topic, value)

    if files is not None:
        files.begin()
    async with wiring.database_engine(system.settings) as engine:
        with JobProgress(console, system.supervisor.complaint) as progress:
            job = Job(
                wiring.kafka_connection(system.settings),
                wiring.publisher(system.settings),
                partial(find_stored, engine),
                keep,
                progress.update,
                task.give_up_after,
            )
            try:
                await first(job.run(inputs.frameworks, inputs.records), system.supervisor.failed())
            finally:
                findings.so_far = job.so_far()
        report = await job.report()
        if job.gave_up:
            report = replace(report, gave_up=_why_it_gave_up(system, task, report))
        return report


def _why_it_gave_up(system: System, task: Task, report: JobReport) -> str:
    """What did not come, what may be the cause, and what to do, as one line."""
    complaint = system.supervisor.complaint().rstrip(".")
    missing = (
        f"no outcome came, so {report.records - report.outcomes:,} of {report.records:,} records have none"
        if report.outcomes < report.records
        else f"nothing was stored, so {report.llm_calls - report.rows:,} of {report.llm_calls:,} LLM calls have no row"
    )
    return (
        f"Gave up: for {task.give_up_after:g} seconds {missing}. {complaint}. Mend what keeps the "
        "system from answering and run again, or wait longer with --give-up-after SECONDS (0: for ever). The logs of "
        f"its processes: {system.settings.feedback_home / _LOGS}."
    )
