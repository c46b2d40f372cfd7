"""A table as a Parquet file. Money is decimal(38, 12), moments are in UTC and microseconds."""

import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

from api.usage_table import Cell, Column
from domain.usage.report import plain

if TYPE_CHECKING:
    from arro3.core import Array

_IN_MEMORY = 4 * 1024 * 1024
_PIECE = 64 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST = 2**63 - 1


def as_parquet(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], about: dict[str, str]) -> IO[bytes]:
    """A file, at its beginning; small ones are in memory. Whoever reads it closes it.

    Args:
        columns: at least one.
        rows: cells in the columns' order.
        about: further words for the file's own metadata.
    """
    # Not with the others: it takes a while, and few ask for it.
    from arro3.core import Field, RecordBatch, RecordBatchReader, Schema
    from arro3.io import write_parquet

    arrays = [_array(column, [row[number] for row in rows]) for number, column in enumerate(columns)]
    fields = [Field(column.name, array.type) for column, array in zip(columns, arrays, strict=True)]
    schema = Schema(fields, metadata={**about})
    batches = [RecordBatch.from_arrays(arrays, schema=schema)] if rows else []
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # it is the reader's
    try:
        write_parquet(RecordBatchReader.from_batches(schema, batches), file, compression="zstd(3)")
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def in_pieces(file: IO[bytes]) -> Iterator[bytes]:
    """What is in a file, which is closed in the end."""
    with file:
        while piece := file.read(_PIECE):
            yield piece


def _array(column: Column, cells: list[Any]) -> "Array":
    from arro3.core import Array, DataType

    match column.kind:
        case "money":
            return Array(_texts(cells), type=DataType.utf8()).cast(DataType.decimal128(38, 12))
        case "moment":
            return Array(_microseconds(cells), type=DataType.int64()).cast(DataType.timestamp("us", tz="UTC"))
        case "whole" if not all(cell is None or -_LARGEST <= cell <= _LARGEST for cell in cells):
            # Tokens that nobody ever used, from a producer that lies: still the sum that the other formats give.
            return Array(_texts(cells), type=DataType.utf8()).cast(DataType.decimal128(38, 0))
        case "number":
            cells = [cell if cell is None else float(cell) for cell in cells]
    types = {"whole": DataType.int64, "number": DataType.float64, "yes_or_no": DataType.bool, "text": DataType.utf8}
    return Array(cells, type=types[column.kind]())


def _texts(cells: list[Any]) -> list[str | None]:
    return [cell if cell is None else plain(cell) if isinstance(cell, Decimal) else str(cell) for cell in cells]


def _microseconds(cells: list[Any]) -> list[int | None]:
    # Whole numbers: what goes through a float is a microsecond off.
    spans = [cell if cell is None else cell - _EPOCH for cell in cells]
    return [
        span if span is None else (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds for span in spans
    ]
