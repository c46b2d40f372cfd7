"""`feedback retention`."""

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from runtime.cli.options import begin, say

if TYPE_CHECKING:
    from rich.table import Table

    from adapters.postgres.usage.retention import PostgresRetention, RetentionPlan  # imported late: --help is quick
    from runtime.settings import Settings

_NEVER_CUT = 1000
"""Columns: no number is cut, on however narrow a terminal."""
_MOST = 1200


@click.command(short_help="Drop the LLM calls of old months; what they add up to stays.")
@click.option(
    "--keep-months",
    type=click.IntRange(1, _MOST),
    required=True,
    metavar="N",
    help="Keep this month and the N whole months (of UTC) before it.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be dropped, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(keep_months: int, dry_run: bool, yes: bool) -> None:
    """Drop the LLM calls of months that are older, whole partitions at a time. It cannot be undone.

    What whole days and months of each tenant add up to (the rollups) stays, and so do all answers that are made of
    whole days of UTC. What is counted anew first is counted, and held against the rows; where anything differs,
    nothing is dropped. An LLM call that is told of later, of a month that was dropped, becomes a dead letter.
    """
    if not (yes or dry_run or sys.stdin.isatty()):
        raise click.UsageError("Nobody is there to be asked: give --yes, or --dry-run.")
    settings = begin(at_terminal=True)
    asyncio.run(_retain(settings, keep_months, dry_run=dry_run, yes=yes))


async def _retain(settings: "Settings", keep_months: int, *, dry_run: bool, yes: bool) -> None:
    from rich.console import Console

    from adapters.postgres.rights import PLANNING_RETENTION
    from adapters.postgres.usage.retention import PostgresRetention
    from runtime.wiring import unhurried_engine

    async with unhurried_engine(settings, PLANNING_RETENTION) as engine:
        retention = PostgresRetention(engine)
        if not dry_run:
            await retention.check_owner()
        plan = await retention.plan(keep_months)
        if plan.is_empty and plan.raw_from == plan.kept_from:
            say(f"LLM calls are kept from {plan.kept_from} on already: nothing is older.")
            return
        if plan.is_empty:
            say(f"No LLM call is older than {plan.raw_from}: nothing to drop.")
            return
        Console(width=_NEVER_CUT, highlight=False).print(_table(plan))
        if plan.marked_days:
            say(f"{plan.marked_days:,} days of tenants among them have changed since they were added up.")
        calls = sum(month.calls for month in plan.dropped)
        if dry_run:
            say(
                f"{calls:,} LLM calls would be dropped for good, and kept from {plan.raw_from} on. "
                "Nothing was dropped (--dry-run)."
            )
            return
        asked = f"Drop {calls:,} LLM calls, all before {plan.raw_from}? It cannot be undone."
        if not yes and not click.confirm(asked):
            say("Nothing was dropped.")
            return
        calls = sum(month.calls for month in (await _drop(retention, plan, keep_months)).dropped)
        say(f"{calls:,} LLM calls were dropped. They are kept from {plan.raw_from} on; what they added up to stays.")


async def _drop(retention: "PostgresRetention", plan: "RetentionPlan", keep_months: int) -> "RetentionPlan":
    """What was dropped: what is stored of those months until then goes with them, counted."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=40), MofNCompleteColumn())
    while True:
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
            task = progress.add_task("days to be added up", total=max(plan.marked_days, 1))
            async for left in retention.roll(plan):
                progress.update(task, completed=max(plan.marked_days - left, 0))
        await retention.check_rollups(plan)
        if await retention.drop(plan):
            return plan
        plan = await retention.plan(keep_months)


def _table(plan: "RetentionPlan") -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from domain.usage.report import plain

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("month (UTC)", no_wrap=True)
    for column in ("LLM calls", "tenants", "USD"):
        table.add_column(column, no_wrap=True, justify="right")
    for column in ("single calls", "days and months"):
        table.add_column(column, no_wrap=True)
    for month in plan.months:
        then = "dropped" if month.is_dropped else "kept"
        table.add_row(
            f"{month.first:%Y-%m}", f"{month.calls:,}", f"{month.tenants:,}", plain(month.cost_usd), then, "kept"
        )
    return table
