"""Writes LLM calls: one statement per batch, each call once."""

from operator import attrgetter

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.row_sink import PostgresRowSink, Rows
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

KEPT_CONSTRAINT = "ck_llm_calls_other_kept"
"""What `feedback retention` puts in the place of the partitions that it drops."""

REFUSALS = {
    KEPT_CONSTRAINT: "This LLM call is of a month whose LLM calls were dropped (feedback retention); what they "
    "added up to stays as it was."
}

_ROWS: Rows[LLMCall] = Rows(
    "llm_calls",
    _COLUMNS,
    "call_id",
    attrgetter(*_COLUMNS),
    "LLM calls",
    indexed=False,
    copied=True,
    refusals=REFUSALS,
)


class PostgresLLMCallSink(PostgresRowSink[LLMCall]):
    """Fulfils `domain.ports.LLMCallSink` on the table `llm_calls`."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine, _ROWS)
