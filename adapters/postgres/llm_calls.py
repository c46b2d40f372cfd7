"""Writes LLM calls: one statement per batch, each call once."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.failures import is_databases_fault, is_rows_fault, summary
from domain.errors import SinkUnavailableError
from domain.ports import BatchOutcome
from schemas.llm_calls import LLMCall

_COLUMNS = {
    "call_id": "uuid",
    "tenant_id": "text",
    "operation": "text",
    "invocation_id": "uuid",
    "invocation_started_at": "timestamptz",
    "timestamp": "timestamptz",
    "call_duration_ms": "float8",
    "provider": "text",
    "request_model": "text",
    "model": "text",
    "input_tokens": "int8",
    "output_tokens": "int8",
    "cache_read_input_tokens": "int8",
    "reasoning_output_tokens": "int8",
    "cost_usd": "numeric",
    "cost_source": "text",
    "status": "text",
    "error_class": "text",
    "attempt": "int4",
    "http_status": "int4",
    "prompt_version": "text",
    "record_id": "text",
    "request_id": "text",
    "trace_id": "text",
}


def _statement() -> str:
    names = ", ".join(f'"{name}"' for name in _COLUMNS)
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(_COLUMNS.values(), start=1))
    # In the order of call_id, so that two writers of the same calls wait for each other and never in a circle;
    # of two with one id in a batch the first counts, as it does between batches.
    return (
        f"INSERT INTO llm_calls ({names}) SELECT {names} "  # noqa: S608 - the names are ours, the values parameters
        f"FROM unnest({arrays}) WITH ORDINALITY AS given({names}, position) "
        "ORDER BY call_id, position ON CONFLICT (call_id) DO NOTHING"
    )


_INSERT = _statement()
_values = attrgetter(*_COLUMNS)


class PostgresLLMCallSink:
    """Fulfils `domain.ports.LLMCallSink` on the table `llm_calls`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def write(self, batch: Sequence[LLMCall]) -> BatchOutcome:
        """Store the calls that are not there yet; a row that the table refuses never holds up the others.

        Raises:
            SinkUnavailableError: the database cannot take rows now; part of the batch may be stored.
        """
        if not batch:
            return BatchOutcome(0)
        try:
            async with self._engine.connect() as connection:
                driver = (await connection.get_raw_connection()).driver_connection
                return await _insert(driver, batch)
        except Exception as error:
            if is_databases_fault(error):
                raise SinkUnavailableError(f"The database cannot take LLM calls now ({summary(error)}).") from error
            raise


async def _insert(driver: Any, batch: Sequence[LLMCall]) -> BatchOutcome:
    """Insert all; where a row is refused, halve until it stands alone. Each half is its own transaction."""
    inserted = 0
    refused: list[int] = []
    waiting = [(0, len(batch))]
    while waiting:
        start, stop = waiting.pop()
        try:
            status: str = await driver.execute(_INSERT, *zip(*map(_values, batch[start:stop]), strict=True))
        except Exception as error:
            if not is_rows_fault(error):
                raise
            if stop - start == 1:
                refused.append(start)
            else:
                middle = (start + stop) // 2
                waiting += [(middle, stop), (start, middle)]
        else:
            inserted += int(status.rpartition(" ")[2])
    return BatchOutcome(inserted, tuple(refused))
