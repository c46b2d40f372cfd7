"""The answer about failures, retries and repeats as a terminal shows it, within 100 columns."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from runtime.cli.options import printable
from runtime.cli.usage_view import freshness, minute, money

_FAILED = ("calls", "failed", "cost", "invocations", "failed", "cost")
_AGAIN = ("retries", "cost", "repeats", "cost", "after an answer", "cost")
_KINDS = ("calls", "cost", "invocations", "cost")
_MOST_KINDS = 30


def failures_shown(answer: dict[str, Any]) -> Iterator[Table | Text]:
    """What is printed, from top to bottom.

    Args:
        answer: of `/v1/usage/failures`.
    """
    yield Text(f"What failed, and was done again, from {minute(answer['from'])} to {minute(answer['to'])}")
    yield _by_operation(answer, _FAILED, _failed)
    yield _by_operation(answer, _AGAIN, _again)
    if answer["kinds"]:
        yield _table("operation / model / error", _KINDS, [_kind(one) for one in answer["kinds"][:_MOST_KINDS]])
    if len(answer["kinds"]) > _MOST_KINDS:
        yield Text(f"The {_MOST_KINDS} most frequent of {len(answer['kinds']):,} kinds; --format json has all.")
    total = answer["total"]
    if total["repeats"]["not_told"]:
        yield Text(f"Of {total['repeats']['not_told']:,} invocations it is not told whether they are repeats.")
    unpriced = (total["invocations"]["failed_unpriced"], total["retries"]["unpriced"], total["repeats"]["unpriced"])
    if any(unpriced):
        counted = "{:,} failed invocations, {:,} retries and {:,} repeats".format(*unpriced)
        yield Text(f"The cost is a lower bound: that of {counted} is not wholly known.")
    yield Text(freshness(answer))


def _by_operation(answer: dict[str, Any], columns: Sequence[str], cells: Any) -> Table:
    rows = [(printable(one["operation"]), cells(one)) for one in answer["operations"]]
    table = _table("operation", columns, rows)
    table.add_section()
    table.add_row("total", *cells(answer["total"]), style="bold")
    return table


def _table(head: str, columns: Sequence[str], rows: Sequence[tuple[str, list[str]]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(head, overflow="fold", min_width=10)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for name, cells in rows:
        table.add_row(Text(name), *cells)
    return table


def _failed(one: dict[str, Any]) -> list[str]:
    views = (one["llm_calls"], one["invocations"])
    return [
        cell for view in views for cell in (f"{view['total']:,}", f"{view['failed']:,}", money(view["failed_cost_usd"]))
    ]


def _again(one: dict[str, Any]) -> list[str]:
    retries, repeats = one["retries"], one["repeats"]
    return [
        f"{retries['calls']:,}",
        money(retries["cost_usd"]),
        f"{repeats['invocations']:,}",
        money(repeats["cost_usd"]),
        f"{repeats['after_an_answer']:,}",
        money(repeats["after_an_answer_cost_usd"]),
    ]


def _kind(one: dict[str, Any]) -> tuple[str, list[str]]:
    name = " / ".join(printable(one[part] or "(none)") for part in ("operation", "model", "error_class"))
    return name, [
        f"{one['failed_calls']:,}",
        money(one["failed_calls_cost_usd"]),
        f"{one['failed_invocations']:,}",
        money(one["failed_invocations_cost_usd"]),
    ]
