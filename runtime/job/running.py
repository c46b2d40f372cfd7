"""One job on a running system; and where it gave up, why, for the person who asked for it."""

from dataclasses import replace
from functools import partial
from uuid import uuid4

from rich.console import Console

from adapters.postgres.stored_calls import find_stored
from runtime import wiring
from runtime.job.bookkeeper import Bookkeeper
from runtime.job.follow import Follower
from runtime.job.job import Job
from runtime.job.job_report import JobReport
from runtime.job.ledger import Ledger
from runtime.job.outputs import ResultFiles
from runtime.job.progress import JobProgress
from runtime.job.report import Findings
from runtime.job.rows import Rows
from runtime.job.task import Inputs, Task
from runtime.job.temporary_system import logs_of
from runtime.process import first
from runtime.system.system import System


async def run_job(
    system: System, task: Task, inputs: Inputs, console: Console, files: ResultFiles | None, findings: Findings
) -> JobReport:
    """Publish, follow, wait; also when broken off, `findings.so_far` tells how far it came.

    A job that gave up has what came until then in its report, and why.

    Raises:
        UserError, WorkerHaltedError: a process of the system cannot go on.
        BrokerUnavailableError: Kafka did not take a record, or cannot be read.
        ResultsNotWrittenError: the folder takes no more.
    """

    def keep(topic: str, value: bytes, line: int | None) -> None:
        if files is not None:
            files.write(topic, value)
        findings.keep(topic, value, line)

    ledger = Ledger(run_id=str(uuid4()))
    async with wiring.database_engine(system.settings) as engine:
        with JobProgress(console, system.supervisor.complaint) as progress:
            follower = Follower(wiring.kafka_connection(system.settings), Bookkeeper(ledger, keep).enter)
            rows = Rows(ledger, partial(find_stored, engine))
            publisher = wiring.publisher(system.settings)
            job = Job(ledger, follower, publisher, rows, progress.update, task.give_up_after)
            try:
                await first(job.run(inputs.frameworks, inputs.records), system.supervisor.failed())
            finally:
                findings.so_far = job.so_far()
        if files is not None:
            files.begin()
        report = await job.report()
    if job.gave_up and not report.all_came:  # the last rows may have come when it was asked for them once more
        report = replace(report, why_it_gave_up=why_it_gave_up(system, task, report))
    return report


def why_it_gave_up(system: System, task: Task, report: JobReport) -> str:
    """What did not come, what may be the cause, and what to do, as one line."""
    complaint = system.supervisor.complaint().rstrip(".")
    return (
        f"Gave up: for {task.give_up_after:g} seconds {_what_is_missing(report)}. {complaint}. Mend what keeps the "
        "system from answering and run again, or wait longer with --give-up-after SECONDS (0: for ever). The logs of "
        f"its processes: {logs_of(system.settings)}."
    )


def _what_is_missing(report: JobReport) -> str:
    if report.published < report.records:
        return f"Kafka took no further record ({report.published:,} of {report.records:,} so far)"
    if report.outcomes < report.records:
        return f"no new outcome came, so {report.records - report.outcomes:,} of {report.records:,} records have none"
    if not report.calls_known:
        return "Kafka did not let all LLM calls be read, so some may be missing from the count"
    missing = f"{report.llm_calls - report.rows:,} of {report.llm_calls:,} LLM calls"
    return f"no new row came, so {missing} have {'none' if report.rows_counted else 'none that is known of'}"
