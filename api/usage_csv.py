"""A table as CSV (RFC 4180, UTF-8): piece by piece, and harmless to the spreadsheet that opens it."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice

from api.usage_table import Cell, Column
from domain.usage.report import plain

_PIECE = 500
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes a cell for a formula by. Source: OWASP, CSV Injection."""


def as_csv(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """The text: a line of names, then a line for each row. What there is none of is an empty cell."""
    yield _lines([[column.name for column in columns]])
    left = iter(rows)
    while piece := list(islice(left, _PIECE)):
        yield _lines([[_written(cell) for cell in row] for row in piece])


def _lines(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _written(cell: Cell) -> str:
    if isinstance(cell, str):
        # Providers and producers choose models' and operations' names; an apostrophe makes text of them.
        return f"'{cell}" if cell.startswith(_FORMULAS) else cell
    if isinstance(cell, datetime):
        return cell.isoformat()
    if isinstance(cell, Decimal):
        return plain(cell)
    return "" if cell is None else str(cell).lower()
