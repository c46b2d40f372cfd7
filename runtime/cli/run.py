"""`feedback run`."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtime.cli.options import begin, give_up_option, say, warn
from runtime.process import run_until_signal
from runtime.settings import Settings
from schemas.operations import RecordOperation

if TYPE_CHECKING:
    from runtime.job.outputs import ResultFiles
    from runtime.job.report import Findings
    from runtime.job.task import Inputs, Task  # imported late, so that --help is quick

_FILE = click.Path(dir_okay=False, path_type=Path)
_SHOWN = 12


class Operations(click.ParamType):
    """Names of operations with commas between them."""

    name = "op[,op...]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[RecordOperation, ...]:
        """Each name as an operation, once, in the order given."""
        names = dict.fromkeys(name.strip() for name in str(value).split(","))
        choices = ", ".join(RecordOperation)
        for name in names:
            if name not in set(RecordOperation):
                self.fail(f"{name or 'An empty name'} is not among the operations: {choices}.", param, ctx)
        return tuple(map(RecordOperation, names))


@click.command(short_help="Answer the records of a JSON Lines file and write the results.")
@click.option(
    "--records",
    type=_FILE,
    required=True,
    help="JSON Lines: id, content, optional metadata, tenant_id, created (a date alone will do), ...",
)
@click.option("--framework", "frameworks", type=_FILE, multiple=True, help="Coding framework as JSON; once per tenant.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the results.")
@click.option("--overwrite", is_flag=True, help="Replace the results of an earlier run in that folder.")
@click.option(
    "--operations",
    type=Operations(),
    help="Of assign_codes, summarize, detect_sensitive.  [default: the first two; without a framework: summarize]",
)
@click.option("--model", help="provider/model instead of LLM_MODEL.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="How many stream workers.")
@click.option("--tenant", default="default", show_default=True, help="The tenant of records that name none.")
@give_up_option
@click.pass_context
def command(
    ctx: click.Context,
    records: Path,
    frameworks: tuple[Path, ...],
    out: Path,
    overwrite: bool,
    operations: tuple[RecordOperation, ...] | None,
    model: str | None,
    workers: int,
    tenant: str,
    give_up_after: float,
) -> None:
    """Answer the records of a JSON Lines file and write the results, one JSON Lines file per result topic.

    With a framework a record is coded and summarised, which takes two LLM calls; --operations assign_codes asks for the
    codes alone. Without a framework it is summarised. With detect_sensitive among --operations it is screened.

    Runs the real system for it: on the Kafka and PostgreSQL of the environment, else on embedded ones that go when
    the job is done. Ends with exit code 1 if any record has no outcome, or if it is not certain that each LLM call has
    its row; and with 2, before anything is started, if the files, the settings, the servers that they name or the
    model's name and key are not as they should be, or if the folder holds results of an earlier run.

    On a Kafka of the environment its workers join the group WORKER_GROUP; where workers of that group are at work
    already, they answer this job's records, and no worker is started. OUT/usage.json counts the LLM calls that were
    made to answer this job's records, whoever made them; a judge's, which come later, are not among them.
    """
    settings = begin(at_terminal=True, llm_model=model)
    from runtime.job.outputs import ResultFiles
    from runtime.job.task import Task
    from runtime.job.temporary_system import drain_seconds

    task = Task(records, frameworks, operations, tenant, workers, model=model, give_up_after=give_up_after)
    started = "what this job started ends" if settings.kafka_bootstrap_servers else "all that was started ends"
    stopping = f"what is in flight has {drain_seconds(settings):g} s to finish, then {started}."
    complete = run_until_signal(
        lambda stop: _run(settings, task, ResultFiles(out, overwrite=overwrite), stop), stopping
    )
    ctx.exit(0 if complete else 1)


async def _run(settings: Settings, task: "Task", files: "ResultFiles", stop: asyncio.Event) -> bool:
    from domain.errors import BrokerUnavailableError, WorkerHaltedError
    from runtime.job.notices import what_it_replaces
    from runtime.job.outputs import ResultsNotWrittenError
    from runtime.job.report import Findings
    from runtime.job.task import read_inputs
    from runtime.process import until_stopped

    inputs = read_inputs(settings, task)
    findings = Findings(inputs.records, _SHOWN)
    try:
        with files:
            for notice in inputs.notices:
                warn(notice)
            if settings.kafka_bootstrap_servers and (
                line := what_it_replaces(settings.kafka_bootstrap_servers, inputs.named)
            ):
                say(line)
            complete = await until_stopped(_work(settings, task, inputs, files, findings), stop)
    except ResultsNotWrittenError as error:
        warn(error.message)
        say(findings.so_far.last_line("run"))
        return False
    except (BrokerUnavailableError, WorkerHaltedError):
        say(findings.so_far.last_line("run"))  # a script learns how far it came; the sentence comes after it
        raise
    if complete is None:
        so_far = f"the results so far are in {files.directory}" if files.begun else "no result had come yet"
        say(f"Broken off; {so_far}, and {files.usage_file.name} is not written.")
        say(findings.so_far.way_on(stays=bool(settings.kafka_bootstrap_servers)))
        say(findings.so_far.last_line("run"))
    return bool(complete)


async def _work(settings: Settings, task: "Task", inputs: "Inputs", files: "ResultFiles", findings: "Findings") -> bool:
    from rich.console import Console

    from domain.errors import UsageUnavailableError
    from runtime.job.outputs import ResultsNotWrittenError
    from runtime.job.report import as_json
    from runtime.job.running import run_job
    from runtime.job.temporary_system import temporary_system
    from runtime.job.usage import usage_of_job

    console = Console()
    usage: dict[str, Any] | None = None
    async with temporary_system(settings, task, console) as system:
        report = await run_job(system, task, inputs, console, files, findings)
        try:
            usage = await usage_of_job(system.settings, report)
        except UsageUnavailableError as error:
            warn(f"{files.usage_file.name} is not written. {error.message}")
    if usage is not None:
        try:
            files.write_usage(as_json(usage))
        except ResultsNotWrittenError as error:
            warn(error.message)
            usage = None
    findings.print(console)
    console.print(f"All results: the files in {files.directory}", highlight=False, markup=False, soft_wrap=True)
    for remark in report.remarks:
        warn(remark)
    say(report.last_line("run"))
    return report.complete and usage is not None
