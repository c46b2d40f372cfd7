"""LLMCallSink: what the consumer relies on, held against the table and against the fake that unit tests use."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from adapters.postgres.llm_calls import PostgresLLMCallSink
from domain.ports import BatchOutcome
from tests.usage_support import MemorySink, llm_call, many_calls, migrated_database


@pytest.fixture(params=["memory", "postgres"])
async def sink(request, postgres):
    if request.param == "memory":
        yield MemorySink()
        return
    async with migrated_database(postgres.url) as (_, engine):
        yield PostgresLLMCallSink(engine)


async def test_new_calls_are_counted_and_repeats_are_not(sink):
    calls = many_calls(20)

    assert await sink.write(calls[:15]) == BatchOutcome(15)
    assert await sink.write(calls) == BatchOutcome(5)
    assert await sink.write(calls) == BatchOutcome(0)


async def test_a_call_that_comes_twice_in_one_batch_counts_once(sink):
    first, other = many_calls(2)

    assert await sink.write([first, other, first, first]) == BatchOutcome(2)


async def test_an_empty_batch_is_nothing(sink):
    assert await sink.write([]) == BatchOutcome(0)


async def test_a_row_that_is_refused_is_named_and_its_neighbours_are_stored(sink):
    calls = many_calls(11)
    for position in (0, 4, 5, 10):
        calls[position] = llm_call(provider=f"odd\x00{position}")

    assert await sink.write(calls) == BatchOutcome(7, (0, 4, 5, 10))
    assert await sink.write(calls) == BatchOutcome(0, (0, 4, 5, 10))


async def test_a_batch_of_nothing_but_refused_rows(sink):
    assert await sink.write(many_calls(3, model="\x00")) == BatchOutcome(0, (0, 1, 2))


async def test_the_extremes_that_the_schema_allows_are_stored(sink):
    extremes = [
        llm_call(cost_usd=Decimal("999999.999999999999"), input_tokens=2**63 - 1, output_tokens=2**63 - 1),
        llm_call(cost_usd=Decimal("0.000000000001"), call_duration_ms=10.0**12, attempt=32_767),
        llm_call(cost_usd=None, cost_source=None, model=None, input_tokens=None, output_tokens=None, record_id=None),
        llm_call(tenant_id="\U0001f600" * 255, operation="an operation of somebody else's", record_id="'; DROP --"),
        llm_call(call_id=UUID(int=0), trace_id=None, http_status=None, prompt_version=None, status="error"),
        llm_call(timestamp=datetime(2999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        llm_call(timestamp=datetime(2000, 1, 1, tzinfo=timezone(timedelta(hours=14)))),
    ]

    assert await sink.write(extremes) == BatchOutcome(len(extremes))
