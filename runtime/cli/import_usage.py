"""`feedback import-usage`."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from runtime.cli.options import begin, say, warn

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from decimal import Decimal

    from rich.table import Table

    from adapters.postgres.older_table import OlderTable  # imported late, so that --help is quick
    from adapters.postgres.usage_import import ImportTally, UsageImport
    from domain.errors import UserError
    from runtime.settings import Settings

_NEVER_CUT = 1000
"""Columns: no number is cut, on however narrow a terminal."""

_THEIRS = "Check IMPORT_DATABASE_URL, or --database: postgresql://user:password@host:5432/name, odd characters as %40."

_READABLE = 40
"""Characters of a number."""


@click.command(short_help="Adopt the LLM calls of an older service's table.")
@click.option("--table", required=True, metavar="NAME", help="The older table; schema.table where need be.")
@click.option(
    "--database",
    metavar="URL",
    help="Its database, where it is not ours; or IMPORT_DATABASE_URL, as others see what is on a command line.",
)
@click.option("--source-name", metavar="NAME", help="Names the table in its rows' new ids; schema.table by default.")
@click.option(
    "--refused",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("import-usage.refused.jsonl"),
    show_default=True,
    help="Where the rows are listed that cannot be stored: their ids, and why.",
)
@click.option("--dry-run", is_flag=True, help="Read and check all rows, and store none.")
def command(table: str, database: str | None, source_name: str | None, refused: Path, dry_run: bool) -> None:
    """Adopt a table that an older service wrote: each row becomes an LLM call, and an invocation, once.

    Its columns: id, tenant_id, operation, timestamp, call_duration_ms, model, input_tokens, output_tokens, cost_usd,
    status, error_class, created_at. It may be broken off, and run again: a row that is there already is not stored
    again, as its new id comes from the table's name and its own id. Nothing is written to the older table.

    Every row is accounted for: stored, already there, or listed with the reason. The exit code is 0 where all rows are
    in llm_calls with the same figures.
    """
    settings = begin(at_terminal=True, import_database_url=database)
    raise SystemExit(asyncio.run(_import(settings, table, source_name, refused, dry_run=dry_run)))


async def _import(settings: "Settings", name: str, source_name: str | None, refused: Path, *, dry_run: bool) -> int:
    from adapters.postgres import older_table
    from adapters.postgres.engine import check, create_engine
    from adapters.postgres.rights import IMPORTING_USAGE
    from adapters.postgres.usage_import import UsageImport
    from runtime.wiring import database_settings, unhurried_engine

    async with unhurried_engine(settings, IMPORTING_USAGE) as target:
        source = target
        if settings.import_database_url is not None:
            url = settings.import_database_url.get_secret_value()
            reached = replace(database_settings(settings), url=url, auth="password", command_timeout_seconds=None)
            await _check_theirs(check(reached))
            source = create_engine(reached)
        listing = _Listing(refused)
        try:
            table = await older_table.look_at(source, name)
            for column in table.naive:
                say(f"{column} of {table.name} has no time zone: it is taken to be in UTC.")
            work = UsageImport(source, target, table, source_name or table.name, listing.add, dry_run=dry_run)
            await _run(work, table)
            now = await older_table.count(source, table)
        finally:
            listing.close()
            if source is not target:
                await source.dispose()
    return _report(work.tally, table, source_name or table.name, now, listing, dry_run=dry_run)


async def _check_theirs(checking: "Awaitable[None]") -> None:
    from domain.errors import UserError

    try:
        await checking
    except UserError as error:
        raise UserError(f"The older table's database: {error.message}", _THEIRS) from None  # not DATABASE_URL's fault


class _Listing:
    """The rows that cannot be stored, as JSON Lines; where there are none there is no file, or an empty one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None
        try:
            if path.is_file():  # and no device
                path.write_text("", encoding="utf-8")  # an earlier import's: these rows may be mended
        except OSError as error:
            raise self._unwritable(error) from None

    def add(self, row_id: str | None, reason: str) -> None:
        try:
            if self._file is None:
                self._file = self._path.open("w", encoding="utf-8", buffering=1)  # what fails does so here
            self._file.write(json.dumps({"id": row_id, "reason": reason}) + "\n")
        except OSError as error:
            raise self._unwritable(error) from None

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # it was told of with the row
                self._file.close()

    def _unwritable(self, error: OSError) -> "UserError":
        from domain.errors import UserError

        return UserError(
            f"{self._path} cannot be written ({error.strerror}): what cannot be stored could not be listed.",
            "Name another file with --refused, and run this again.",
        )

    def __str__(self) -> str:
        return str(self._path)


async def _run(work: "UsageImport", table: "OlderTable") -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=40), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("rows", total=table.rows)
        async for read in work.run():
            progress.update(task, completed=read, total=max(read, table.rows))


def _report(
    tally: "ImportTally", table: "OlderTable", named: str, now: int, listing: _Listing, *, dry_run: bool
) -> int:
    from rich.console import Console

    Console(width=_NEVER_CUT, highlight=False).print(_table(tally, dry_run=dry_run))
    stored = "would be stored" if dry_run else "stored"
    say(
        f"{tally.source.rows:,} rows read = {tally.stored:,} {stored} + {tally.already_there:,} already there + "
        f"{tally.refused.rows:,} refused."
    )
    _tell_refused(tally, table, named, listing)
    if tally.disbelieved.rows:
        warn(f"{tally.disbelieved.rows:,} have a cost or tokens that cannot be: stored as calls of unknown cost.")
    if now != tally.source.rows:
        warn(f"{table.name} has {now:,} rows now: it is being written to. Run this again when it is not.")
    if not tally.adds_up:
        warn("The sums are not equal: llm_calls was changed meanwhile, or this is a bug. Run this again.")
    complete = tally.adds_up and not tally.refused.rows and now == tally.source.rows
    if dry_run:
        say("Nothing was stored (--dry-run).")
    return 0 if complete else 1


def _tell_refused(tally: "ImportTally", table: "OlderTable", named: str, listing: _Listing) -> None:
    from adapters.postgres.usage_import import DROPPED

    if not tally.refused.rows:
        return
    for reason, count in tally.reasons.most_common():
        warn(f"{count:,} refused: {reason}")
    warn(f"Each is listed in {listing}.")
    dropped = tally.reasons[DROPPED]
    if dropped:
        warn("Into months that were dropped nothing is imported any more; what was imported before still counts.")
    if tally.refused.rows > tally.changed + dropped:
        warn("Mend what cannot be stored in the older table, or leave it out; then run this again.")
    if tally.of_another_table:
        warn(
            f"Most rows with known ids differ from what was imported as {named}: if {table.name} is another table, "
            "give it another --source-name. If it is the same, do not: all of it would count twice."
        )
    elif tally.changed:
        warn("Rows that were changed after they were imported are not imported again: nothing is to be done.")


def _table(tally: "ImportTally", *, dry_run: bool) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from domain.usage.report import plain

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for column in ("rows", "USD", "input tokens", "output tokens"):
        table.add_column(column, no_wrap=True, justify="right")
    lines = [("older table", tally.source)]
    if tally.refused.rows:
        lines.append(("refused", tally.refused))
    if tally.disbelieved.rows:
        lines.append(("figures that cannot be", tally.disbelieved))
    lines += [("to be there", tally.expected), ("would be in llm_calls" if dry_run else "in llm_calls", tally.target)]
    for name, sums in lines:
        tokens = (_short(f"{count:,}", count) for count in (sums.input_tokens, sums.output_tokens))
        table.add_row(name, f"{sums.rows:,}", _short(plain(sums.cost_usd), sums.cost_usd), *tokens)
    if rounding := tally.rounding.cost_usd:
        table.caption = (
            f"Costs have twelve places: rounding made {_short(plain(rounding), rounding)} USD of difference."
        )
    return table


def _short(written: str, number: "Decimal | int") -> str:
    """What a person can read of what somebody may have written into a table."""
    return written if len(written) <= _READABLE else f"{number:.12e}"
