"""Older tables for the tests of `feedback import-usage`, and the command on them."""

import asyncio
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

OLDER = """
CREATE TABLE {name} (
    id {id}, tenant_id text, operation text, "timestamp" {moment}, call_duration_ms {number}, model text,
    input_tokens integer, output_tokens integer, cost_usd {cost}, status text, error_class text,
    created_at {moment} DEFAULT now()
)"""
KINDS = {
    "id": "bigserial PRIMARY KEY",
    "moment": "timestamptz",
    "number": "double precision",
    "cost": "numeric(18, 12)",
}
FILL = """
INSERT INTO {name} (tenant_id, operation, "timestamp", call_duration_ms, model, input_tokens, output_tokens, cost_usd,
                    status, error_class, created_at)
SELECT 't' || number % 3, 'tag', moment, number % 900 + 0.25, 'openai/gpt-4', number % 1000,
       CASE WHEN number % 7 > 0 THEN number % 100 END, CASE WHEN number % 11 > 0 THEN number * 0.000001 END,
       CASE WHEN number % 5 > 0 THEN 'success' ELSE 'Error' END, CASE WHEN number % 5 = 0 THEN 'TimeoutError' END,
       moment + interval '1 second'
FROM generate_series(1, {count}) AS number,
     LATERAL (SELECT timestamptz '2024-11-15 00:00Z' + number % 120 * interval '1 day') AS each(moment)
"""


async def run(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def one(engine: AsyncEngine, query: str) -> tuple[Any, ...]:
    async with engine.connect() as connection:
        return tuple((await connection.execute(text(query))).one())


async def older(engine: AsyncEngine, name: str = "older", count: int = 0, **kinds: str) -> None:
    filled = [FILL.format(name=name, count=count)] if count else []
    await run(engine, OLDER.format(name=name, **KINDS | kinds), *filled)


SUMS = "count(*), sum(cost_usd), sum(input_tokens), sum(output_tokens), count(*) FILTER (WHERE status = {ok})"


async def same_sums(source: AsyncEngine, target: AsyncEngine, name: str = "older") -> None:
    told = await one(source, f"SELECT {SUMS.format(ok=repr('success'))} FROM {name}")  # noqa: S608
    assert await one(target, f"SELECT {SUMS.format(ok=repr('ok'))} FROM llm_calls") == told  # noqa: S608


async def says(feedback_says, url: str, *arguments: object, **environment: object):
    return await asyncio.to_thread(
        feedback_says, "import-usage", "--table", *arguments, DATABASE_URL=url, **environment
    )
