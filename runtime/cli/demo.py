"""`feedback demo`."""

import asyncio
from pathlib import Path

import click

from runtime.cli.options import begin, say, serve
from runtime.settings import Settings

_SAMPLES = Path("samples")
_SHOWN = 24


@click.command(short_help="Run the whole system on the sample records and show what comes out.")
@click.option("--samples", type=click.Path(file_okay=False, path_type=Path), default=_SAMPLES, show_default=True)
@click.pass_context
def command(ctx: click.Context, samples: Path) -> None:
    """Run the whole system on the sample records and show what comes out.

    Kafka and PostgreSQL are embedded ones, unless the environment names others: there its worker joins the group
    WORKER_GROUP and shares its work, and the tables of usage count all that was used during the demo, by anyone.
    """
    settings = begin(at_terminal=True)
    complete = serve(lambda stop: _demo(settings, samples, stop))
    ctx.exit(0 if complete else 1)


async def _demo(settings: Settings, samples: Path, stop: asyncio.Event) -> bool:
    from rich.console import Console

    from domain.errors import UserError
    from runtime.job.command import Task, read_inputs, run_job, temporary_system
    from runtime.job.report import Findings, print_dead_letters, usage_table
    from runtime.process import until_stopped
    from runtime.system.api_probe import get_json

    frameworks = tuple(sorted((samples / "frameworks").glob("*.json")))
    if not frameworks:
        raise UserError(
            f"{samples} holds no sample records.", "Run the demo from the project's folder, or use --samples."
        )
    task = Task(samples / "records.jsonl", frameworks, None, "demo", workers=1, api=True)
    console = Console()
    inputs = read_inputs(task)
    findings = Findings(inputs.records, _SHOWN)

    async def work() -> bool:
        async with temporary_system(settings, task, console) as system:
            report = await run_job(system, inputs, console, None, findings)
            window = {"from": report.started_at.isoformat(), "to": report.ended_at.isoformat()}
            url = f"{system.api_url}/v1/usage/all"
            by_tenant = await get_json(f"{url}/by-tenant", system.api_key, **window)
            by_operation = await get_json(f"{url}/by-operation", system.api_key, **window)
        console.print(findings.table(console.width))
        print_dead_letters(console, findings.dead_letters)
        console.print(usage_table("Usage by tenant, from the read API", "tenant_id", by_tenant))
        console.print(usage_table("Usage by operation, from the read API", "operation", by_operation))
        say(report.last_line("demo"))
        return report.complete

    return bool(await until_stopped(work(), stop))
