"""`feedback usage`."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from runtime.cli.options import begin

if TYPE_CHECKING:
    from rich.console import Console

    from runtime.api_client import APIClient

_PATH = "/v1/usage/query"
_FAILURES = "/v1/usage/failures"
_OF_FAILURES = {"failures", "start", "end", "tenant", "form"}
_FILTERS = ("tenant", "operation", "model", "provider", "status", "error_class", "prompt_version")
_UNITS = ("hour", "day", "week", "month")
_ROWS = "100"
_LEAST_COLUMNS = 80
_WHOLE = 1000
"""Columns where nobody looks at a terminal."""

_Command = Callable[..., Any]


def _filter_options(command: _Command) -> _Command:
    for name in reversed(_FILTERS):
        option = click.option(f"--{name.replace('_', '-')}", name, multiple=True, metavar="VALUE", help="Only of this.")
        command = option(command)
    return command


@click.command(short_help="Show what was used, and what it cost.")
@click.option(
    "--from", "start", metavar="TIME", help="From then, 2026-11-01T00:00:00Z say; the last 30 days if absent."
)
@click.option("--to", "end", metavar="TIME", help="Until then, which no longer counts.")
@click.option(
    "--group-by",
    metavar="NAMES",
    default="operation",
    show_default=True,
    help="A comma list of tenant, operation, model, provider, status, error_class, prompt_version, and one of hour,"
    " day, week, month. tenant is for superusers.",
)
@click.option("--zone", metavar="NAME", default="UTC", show_default=True, help="A time zone: Europe/Kyiv.")
@_filter_options
@click.option(
    "--view",
    type=click.Choice(["llm_calls", "invocations"]),
    default="llm_calls",
    show_default=True,
    help="What the table counts: attempts against a provider, or operations on one input.",
)
@click.option("--percentiles", metavar="NUMBERS", help="For json and csv: 50,99.9 say.  [default: 5,50,95]")
@click.option("--compare/--no-compare", default=True, show_default=True, help="Beside the period before.")
@click.option("--ingested-before", metavar="TIME", help="Without what was stored then or later.")
@click.option("--limit", metavar="COUNT", help="Groups in the table, or on a page of json.")
@click.option("--cursor", metavar="WORD", help="The page of json that begins there: next_cursor of the one before.")
@click.option("--failures", is_flag=True, help="What failed, was tried again and was done again, and what that cost.")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
def command(form: str, view: str, failures: bool, **options: Any) -> None:
    """Show what was used: LLM calls, failures, money, durations and tokens, grouped as you like.

    Asks the API at FEEDBACK_API_URL with FEEDBACK_API_KEY; docs/usage.md says what each number means. A filter may be
    given several times; an empty value stands for what has none.
    """
    if failures:
        _failures(form, **options)
        return
    if options["cursor"] and form != "json":
        raise click.UsageError("--cursor is for --format json: the others have all groups at once.")
    if options["percentiles"] and form == "table":
        raise click.UsageError("--percentiles is for --format json and csv.")
    settings = begin(at_terminal=True)
    from runtime.api_client import APIClient

    client, parameters = APIClient(settings), _parameters(**options)
    asked = [*parameters, ("format", form)]
    asyncio.run(_shown(client, parameters, view) if form == "table" else _passed_on(client, _PATH, asked))


def _failures(form: str, start: str | None, end: str | None, tenant: tuple[str, ...], **_: Any) -> None:
    context = click.get_current_context()
    given = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if given - _OF_FAILURES or form == "csv":
        raise click.UsageError("--failures goes with --from, --to, --tenant and --format json alone.")
    settings = begin(at_terminal=True)
    from runtime.api_client import APIClient

    times = {"from": start, "to": end}
    asked = [(name, value) for name, value in times.items() if value is not None]
    asked += [("tenant", value) for value in tenant]
    client = APIClient(settings)
    asyncio.run(_passed_on(client, _FAILURES, asked) if form == "json" else _failures_shown(client, asked))


def _parameters(
    start: str | None, end: str | None, ingested_before: str | None, compare: bool, **given: Any
) -> list[tuple[str, str]]:
    """The options as the API's parameters."""
    once = {
        "from": start,
        "to": end,
        "ingested_before": ingested_before,
        "compare": "previous" if compare else None,
        **{name: given[name] for name in ("group_by", "zone", "percentiles", "limit", "cursor")},
    }
    filters = [(name, value) for name in _FILTERS for value in given[name]]
    return [*((name, value) for name, value in once.items() if value is not None), *filters]


async def _passed_on(client: "APIClient", path: str, asked: list[tuple[str, str]]) -> None:
    out = click.get_binary_stream("stdout")
    piece = b""
    async for piece in client.pieces(path, asked):
        out.write(piece)
    if not piece.endswith(b"\n"):
        out.write(b"\n")
    out.flush()


async def _shown(client: "APIClient", parameters: list[tuple[str, str]], view: str) -> None:
    wanted = [("views", view), ("percentiles", "50,95")]
    asked = [*parameters, *wanted]
    if not any(name == "limit" for name, _ in asked):
        asked.append(("limit", _ROWS))
    answer = await client.json(_PATH, asked)
    over_time = await client.json(_PATH, _over_time(asked, answer))
    from runtime.cli.usage_view import shown

    console = _console()
    _print(console, shown(answer, over_time, view, console.width))


async def _failures_shown(client: "APIClient", asked: list[tuple[str, str]]) -> None:
    answer = await client.json(_FAILURES, asked)
    from runtime.cli.failures_view import failures_shown

    _print(_console(), failures_shown(answer))


def _console() -> "Console":
    """As wide as the terminal; what is not read there has all there is."""
    from rich.console import Console

    console = Console(highlight=False)
    # No number is cut, on however narrow a terminal.
    console.width = max(_LEAST_COLUMNS, console.width) if console.is_terminal else _WHOLE
    return console


def _print(console: "Console", parts: Iterable[Any]) -> None:
    for part in parts:
        console.print(part)


def _over_time(asked: list[tuple[str, str]], answer: dict[str, Any]) -> list[tuple[str, str]]:
    """The same, by stretches of time alone: of the unit that was asked for, or else of a fitting one."""
    start, end = datetime.fromisoformat(answer["from"]), datetime.fromisoformat(answer["to"])
    days = (end - start).total_seconds() / 86_400
    fitting = next((unit for unit, most in (("hour", 3), ("day", 62), ("week", 400)) if days <= most), "month")
    unit = next((name for name in answer["group_by"] if name in _UNITS), fitting)
    kept = [one for one in asked if one[0] not in ("from", "to", "group_by", "compare", "limit")]
    return [*kept, ("from", answer["from"]), ("to", answer["to"]), ("group_by", unit), ("limit", "10000")]
