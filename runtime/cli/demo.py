"""`feedback demo`."""

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtime.cli.options import begin, give_up_option, say, warn
from runtime.process import run_until_signal
from runtime.settings import Settings
from schemas.operations import RecordOperation

if TYPE_CHECKING:
    from runtime.job.task import Inputs, Task  # imported late, so that --help is quick

_SAMPLES = Path("samples")
_SHOWN = 24


@click.command(short_help="Run the whole system on the sample records and show what comes out.")
@click.option("--samples", type=click.Path(file_okay=False, path_type=Path), default=_SAMPLES, show_default=True)
@give_up_option
@click.pass_context
def command(ctx: click.Context, samples: Path, give_up_after: float) -> None:
    """Run the whole system on the sample records and show what comes out.

    Kafka and PostgreSQL are embedded ones, unless the environment names others: there its worker joins the group
    WORKER_GROUP and shares its work, and the tables of usage count all that was used during the demo, by anyone. The
    sample records and frameworks stay there.
    """
    settings = begin(at_terminal=True)
    from runtime.job.temporary_system import drain_seconds

    stopping = f"what is in flight has {drain_seconds(settings):g} s to finish, then all that was started ends."
    complete = run_until_signal(lambda stop: _demo(settings, samples, give_up_after, stop), stopping)
    ctx.exit(0 if complete else 1)


async def _demo(settings: Settings, samples: Path, give_up_after: float, stop: asyncio.Event) -> bool:
    from rich.console import Console

    from domain.errors import UsageUnavailableError, UserError
    from runtime.job.report import Findings, usage_table
    from runtime.job.running import run_job
    from runtime.job.task import Task, read_inputs
    from runtime.job.temporary_system import temporary_system
    from runtime.job.usage import usage_meanwhile
    from runtime.process import until_stopped

    frameworks = tuple(sorted((samples / "frameworks").glob("*.json")))
    if not frameworks:
        raise UserError(
            f"{samples} holds no sample records.", "Run the demo from the project's folder, or use --samples."
        )
    records = samples / "records.jsonl"
    task = Task(records, frameworks, tuple(RecordOperation), "demo", workers=1, api=True, give_up_after=give_up_after)
    console = Console()
    inputs = read_inputs(settings, task)
    for notice in inputs.notices:
        warn(notice)
    if settings.kafka_bootstrap_servers:
        say(_what_it_leaves(settings.kafka_bootstrap_servers, inputs))
    findings = Findings(inputs.records, _SHOWN)

    async def work() -> bool:
        usage: tuple[Any, Any] | None = None
        async with temporary_system(settings, task, console) as system:
            report = await run_job(system, task, inputs, console, None, findings)
            try:
                usage = await usage_meanwhile(system, report)
            except UsageUnavailableError as error:
                warn(f"The usage is not shown. {error.message}")
        findings.print(console)
        if usage is not None:
            by_tenant, by_operation = usage
            console.print(usage_table("Usage by tenant, from the read API", "tenant_id", by_tenant))
            console.print(usage_table("Usage by operation, from the read API", "operation", by_operation))
        say(f"For all results, as files:  {_as_a_run(task)}")
        for remark in report.remarks:
            warn(remark)
        say(report.last_line("demo"))
        return report.complete and usage is not None

    return bool(await until_stopped(work(), stop))


def _as_a_run(task: "Task") -> str:
    """The command that answers the same records and keeps what comes out."""
    frameworks = [word for path in task.frameworks for word in ("--framework", str(path))]
    operations = ["--operations", ",".join(task.operations or ())]
    return shlex.join(["feedback", "run", "--records", str(task.records), *frameworks, *operations, "--out", "results"])


def _what_it_leaves(kafka: str, inputs: "Inputs") -> str:
    tenants = sorted({record.tenant_id for record in inputs.records})
    return (
        f"KAFKA_BOOTSTRAP_SERVERS is set: the demo puts {len(inputs.frameworks)} frameworks and {len(inputs.records)} "
        f"records of the tenants {', '.join(tenants)} on the Kafka at {kafka}, where they and their results stay."
    )
