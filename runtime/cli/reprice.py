"""`feedback reprice`."""

import asyncio
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtime.cli.options import begin, printable, say, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from adapters.postgres.reprice import (
        ModelCosts,
        PostgresRepricer,
        Scope,
        Survey,
    )  # imported late, so that --help is quick
    from domain.usage.prices import PriceList
    from runtime.settings import Settings

_NEVER_CUT = 1000
"""Columns: no number is cut, on however narrow a terminal."""


_COLUMNS = (
    "calls",
    "in file",
    "to change",
    "recorded USD",
    "counted USD",
    "repriced USD",
    "difference USD",
    "unpriced now",
    "unpriced then",
)


@click.command(short_help="Price stored LLM calls anew, by a file of dated prices.")
@click.option(
    "--prices", type=click.Path(path_type=Path), metavar="FILE", help="The price file (TOML or JSON); or PRICES_FILE."
)
@click.option("--from", "start", metavar="DATE", help="Only calls that began then or later: a date (UTC), or a moment.")
@click.option("--to", "end", metavar="DATE", help="Only calls that began before.")
@click.option("--tenant", metavar="TENANT", help="Only this tenant's calls.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
def command(prices: Path | None, start: str | None, end: str | None, tenant: str | None, dry_run: bool) -> None:
    """Price stored LLM calls anew from their tokens, where the price file has their model at their moment.

    The table shows, by model, what the calls cost as recorded, as they are counted now, and as repriced. Without
    --dry-run the new costs are stored, and every answer about usage counts them; the recorded ones are kept beside
    them. It may be stopped and run again: what is done is done, and nothing is priced twice.
    """
    settings = begin(at_terminal=True, prices_file=prices)
    from adapters.postgres.reprice import Scope
    from domain.errors import UserError
    from runtime.price_file import load_prices

    if settings.prices_file is None:
        raise UserError("No price file is given.", "Name one with --prices FILE, or set PRICES_FILE: docs/prices.md.")
    scope = Scope(_moment("--from", start), _moment("--to", end), tenant)
    if scope.start is not None and scope.end is not None and scope.start >= scope.end:
        raise UserError("--from must be before --to.", "What began at --from is in, what began at --to is not.")
    asyncio.run(_reprice(settings, load_prices(settings.prices_file), scope, dry_run=dry_run))


def _moment(name: str, given: str | None) -> datetime | None:
    from domain.errors import UserError
    from domain.usage.prices import read_moment

    if given is None:
        return None
    try:
        return read_moment(given)
    except (ValueError, OverflowError) as error:
        raise UserError(
            f"{name} {error}." if isinstance(error, ValueError) else f"{name} is beyond the calendar.",
            "Write 2026-01-31 (midnight in UTC) or 2026-01-31T09:00:00+01:00.",
        ) from None


async def _reprice(settings: "Settings", prices: "PriceList", scope: "Scope", *, dry_run: bool) -> None:
    from rich.console import Console

    from adapters.postgres.reprice import PostgresRepricer
    from adapters.postgres.rights import REPRICING, SURVEYING_PRICES
    from runtime.wiring import unhurried_engine

    async with unhurried_engine(settings, SURVEYING_PRICES if dry_run else REPRICING) as engine:
        repricer = PostgresRepricer(engine, prices, scope)
        survey = await repricer.survey()
        Console(width=_NEVER_CUT, highlight=False).print(_table(survey))
        if survey.kept_from is not None:
            warn(
                f"Single LLM calls are kept from {survey.kept_from} on (feedback retention): what earlier ones cost "
                "stays as it was, and still counts."
            )
        if dry_run:
            say(f"{survey.changed:,} calls would get another cost. Nothing was changed (--dry-run).")
            return
        say(f"{await _stored(repricer, survey):,} calls have another cost now; what was recorded is kept beside it.")


async def _stored(repricer: "PostgresRepricer", survey: "Survey") -> int:
    """Store batch by batch, under a bar where there is a terminal; the number of calls that changed."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console, changed = Console(stderr=True), 0
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=40), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("calls", total=survey.changed)
        async for count in repricer.store(survey):
            changed += count
            progress.update(task, completed=changed)
    return changed


def _table(survey: "Survey") -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("model", no_wrap=True, vertical="bottom")
    for column in _COLUMNS:
        table.add_column(column.replace(" ", "\n"), no_wrap=True, justify="right", vertical="bottom")
    for one in survey.models:
        name = escape(printable(one.model))
        table.add_row(name, *_numbers([one]))
    table.add_section()
    table.add_row("total", *_numbers(survey.models), style="bold")
    return table


def _numbers(models: "Sequence[ModelCosts]") -> list[str]:
    """What they add up to, by `_COLUMNS`."""
    from domain.usage.report import plain

    counts = [sum(getattr(one, name) for one in models) for name in ("calls", "priced", "changed")]
    recorded, counted, repriced = (
        sum((getattr(one, name) for one in models), start=Decimal(0))
        for name in ("recorded_usd", "counted_usd", "repriced_usd")
    )
    unpriced = [sum(getattr(one, name) for one in models) for name in ("counted_unpriced", "repriced_unpriced")]
    return [
        *(f"{count:,}" for count in counts),
        *(plain(amount) for amount in (recorded, counted, repriced, repriced - counted)),
        *(f"{count:,}" for count in unpriced),
    ]
