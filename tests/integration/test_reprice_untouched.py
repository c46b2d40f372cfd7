"""What `feedback reprice` leaves as it is: calls that asked no provider, and those that were dropped, which it says."""

import asyncio
from decimal import Decimal

from sqlalchemy import text

from adapters.postgres.llm_calls import PostgresLLMCallSink
from tests.usage_support import NOON, llm_call, migrated_database

PRICES = """
[[prices]]
model = "known"
valid_from = 2026-01-01
input = 0.000004
output = 0.00001
"""


async def test_calls_that_asked_no_provider_and_those_that_were_dropped_keep_their_cost(
    postgres, feedback_says, tmp_path
):
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    told = {"timestamp": NOON, "invocation_started_at": NOON, "model": "known", "input_tokens": 10, "output_tokens": 1}
    async with migrated_database(postgres.url) as (database, engine):
        calls = [
            llm_call(**told, cost_usd=Decimal(0), cost_source="offline"),
            llm_call(**told, cost_usd=Decimal(0), cost_source="offline"),
            llm_call(**told, cost_usd=Decimal(1), cost_source="price_map"),
        ]
        await PostgresLLMCallSink(engine).write(calls)
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO usage_retention (raw_from) VALUES ('2026-11-01')"))

        async def says(*more: object):
            return await asyncio.to_thread(
                feedback_says, "reprice", "--prices", prices, *more, DATABASE_URL=database.url
            )

        async with engine.begin() as connection:  # as an earlier version left one behind
            await connection.execute(
                text(
                    "UPDATE llm_calls SET cost_usd = 2, cost_source = 'price_file', recorded_cost_usd = 0, "
                    "recorded_cost_source = 'offline', repriced_at = now() WHERE call_id = :call"
                ),
                {"call": calls[0].call_id},
            )
        whole, kept = await says(), await says("--from", "2026-11-01", "--dry-run")
        async with engine.connect() as connection:
            asked = text("SELECT recorded_cost_source, cost_source, cost_usd FROM llm_calls ORDER BY cost_usd, 1")
            found = [tuple(row) for row in await connection.execute(asked)]
    assert (whole.code, kept.code, kept.err) == (0, 0, ""), (whole, kept)
    assert "2 calls have another cost now" in whole.out
    (total,) = [line.split() for line in whole.out.splitlines() if line.startswith(" total")]
    assert total[1:] == ["3", "1", "2", "1", "3", "0.00005", "-2.99995", "0", "0"]
    assert "Single LLM calls are kept from 2026-11-01 on" in whole.err
    assert found == [
        ("offline", "offline", Decimal(0)),
        (None, "offline", Decimal(0)),
        ("price_map", "price_file", Decimal("0.00005")),
    ]
