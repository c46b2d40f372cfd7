"""`feedback budgets`."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from runtime.cli.options import begin, printable
from runtime.process import run_until_signal

if TYPE_CHECKING:
    from rich.table import Table

    from domain.usage.budgets import Overview  # imported late, so that --help is quick

_NEVER_CUT = 1000
"""Columns: no number is cut, on however narrow a terminal."""

_BAR = 20


@click.command(short_help="Budgets: tells when a tenant's LLM calls cost too much.")
@click.option("--once", is_flag=True, help="Show how far the budgets are, tell nobody, and end.")
def command(once: bool) -> None:
    """Budgets: tells when a share of a tenant's budget is spent, once for each share and period.

    BUDGETS_FILE names the file of budgets. Each BUDGET_SECONDS what was spent is looked at; what is told goes to the
    topic usage.alerts and, where BUDGETS_WEBHOOK_URL is set, to that address. While a budget with a hard stop is spent,
    workers pause what it is for, and keep the inputs; this process sends them again when the pause is over.
    """
    settings = begin(at_terminal=once)
    from runtime.budgets_file import load_budgets
    from runtime.wiring.budgets import budgets_now, run_budgets

    budgets = load_budgets(settings.budgets_file)
    if not once:
        run_until_signal(lambda stop: run_budgets(settings, budgets, stop), "what is untold is told at the next start.")
        return
    from rich.console import Console

    found = asyncio.run(budgets_now(settings, budgets))
    Console(width=_NEVER_CUT, highlight=False).print(table_of(found))


def table_of(found: "Sequence[Overview]") -> "Table":
    """The budgets as a person reads them."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    from domain.usage.report import plain

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("tenant", "operation", "period"):
        table.add_column(column, no_wrap=True)
    for column in ("spent USD", "limit USD"):
        table.add_column(column, no_wrap=True, justify="right")
    table.add_column("share", no_wrap=True)
    table.add_column("forecast USD", no_wrap=True, justify="right")
    for column in ("paused", "told"):
        table.add_column(column, no_wrap=True)
    for one in found:
        budget, window, spent = one.standing.budget, one.standing.window, one.standing.spent
        first = f"{window.start.astimezone(budget.zone):%Y-%m-%d}"
        least = ">= " if spent.unpriced else ""
        table.add_row(
            escape(printable(budget.tenant_id)),
            "all" if budget.operation is None else escape(printable(budget.operation)),
            f"{budget.period} from {first} {budget.zone.key}",
            f"{least}{_cents(spent.usd)}",
            plain(budget.limit_usd),
            bar(spent.usd / budget.limit_usd),
            f"{least}{_cents(one.forecast_usd)}",
            _paused(one),
            ", ".join(f"{plain(share * 100)} %" for share in one.told) or "-",
        )
    return table


def _paused(one: "Overview") -> str:
    """`-` where the budget has no hard stop."""
    if one.paused:
        return "yes"
    return "no" if one.standing.budget.hard_stop else "-"


def bar(share: Decimal) -> str:
    """`########............  40 %`: full at the limit, whatever is spent beyond it."""
    full = min(int(share * _BAR), _BAR)
    return f"{'#' * full}{'.' * (_BAR - full)} {share * 100:4.0f} %"


def _cents(amount: Decimal) -> str:
    """Six places, as single calls cost less than a cent."""
    return f"{amount:.6f}"
