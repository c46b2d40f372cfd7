"""Writes what is kept of dead letters: one statement per batch, each once, and nothing of what they carry."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.row_sink import PostgresRowSink, Rows
from domain.ports import DeadLetterRow

_COLUMNS = {
    "dead_letter_id": "uuid",
    "tenant_id": "text",
    "operation": "text",
    "reason": "text",
    "source_topic": "text",
    "result_id": "uuid",
    "failed_at": "timestamptz",
}


def _values(row: DeadLetterRow) -> tuple[Any, ...]:
    return tuple(getattr(row, column) for column in _COLUMNS)


_ROWS: Rows[DeadLetterRow] = Rows("dead_letters", _COLUMNS, "dead_letter_id", _values, "dead letters")


class PostgresDeadLetterSink(PostgresRowSink[DeadLetterRow]):
    """Fulfils `domain.ports.DeadLetterSink` on the table `dead_letters`."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine, _ROWS)
