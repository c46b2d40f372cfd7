"""Medians and spreads, as all benches print them."""

from collections.abc import Sequence
from statistics import median

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def told(values: Sequence[float], digits: int = 0) -> str:
    """The median, and from where to where the values go: `12 (10..15)`; a single value alone."""
    if not values:
        return "-"
    middle = f"{median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f}..{max(values):,.{digits}f})"


def ratios(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """What each round's first value is of its second: the two ran one after the other, under the same conditions."""
    return [one / other for one, other in zip(first, second, strict=True) if other]


def table(title: str, columns: Sequence[str]) -> Table:
    """An empty table: the first column is a name, the rest are figures."""
    made = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    made.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        made.add_column(column, justify="right", no_wrap=True)
    return made


def show(made: Table) -> None:
    """Print it; never cut, wherever the output goes."""
    Console(width=180, highlight=False).print(made)
