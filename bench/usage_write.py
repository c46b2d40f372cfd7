"""How fast LLM calls become rows: `python -m bench.usage_write [--events N] [--database URL]`.

Three ways, in turns, in one run, medians of the rounds:
full path    the bytes of `llm.calls` -> validated -> rows, as the consumer does it, Kafka left out
batches      calls that are validated already -> rows
one by one   one INSERT and one commit per call, as a plain consumer would

Without `--database` an embedded PostgreSQL is started for the run and thrown away.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import migrate
from adapters.postgres.tables import llm_calls
from consumers.batches import BatchSettler, Progress
from consumers.llm_calls import llm_call_tables
from domain.delivery.messages import InboundMessage
from domain.ports import OutboundMessage
from runtime.embedded.postgres import EmbeddedPostgres
from schemas.llm_calls import LLMCall

BATCH = 5_000
ROUNDS = 5
ONE_BY_ONE = 1_000


class NoDeadLetters:
    """The bench's events are all good."""

    async def publish(self, message: OutboundMessage) -> None:
        """Fail: something is wrong with the bench."""
        raise AssertionError(message.topic)


def calls(count: int) -> list[LLMCall]:
    """Ordinary calls, each new."""
    now = datetime.now(UTC)
    return [
        LLMCall.model_validate(
            {
                "call_id": uuid4(),
                "tenant_id": f"tenant-{number % 20}",
                "operation": "assign_codes",
                "invocation_id": uuid4(),
                "invocation_started_at": now,
                "timestamp": now,
                "call_duration_ms": 100 + number % 900,
                "provider": "openai",
                "request_model": "gpt-x",
                "model": "gpt-x-2026-10-01",
                "input_tokens": 900 + number % 100,
                "output_tokens": 60,
                "cost_usd": "0.000125",
                "cost_source": "price list",
                "status": "ok",
                "attempt": 1,
                "http_status": 200,
                "prompt_version": "assign_codes.v1",
                "record_id": f"record-{number}",
                "trace_id": uuid4().hex,
            }
        )
        for number in range(count)
    ]


async def full_path(engine: AsyncEngine, count: int) -> float:
    """Events per second from bytes to rows."""
    messages = [InboundMessage("llm.calls", 0, 0, None, None, call.to_bytes()) for call in calls(count)]
    settler = BatchSettler(llm_call_tables(PostgresLLMCallSink(engine)), NoDeadLetters(), Progress())
    return await _rate(count, lambda start: settler.settle(messages[start : start + BATCH]), BATCH)


async def batches(engine: AsyncEngine, count: int) -> float:
    """Events per second from validated calls to rows."""
    given = calls(count)
    sink = PostgresLLMCallSink(engine)
    return await _rate(count, lambda start: sink.write(given[start : start + BATCH]), BATCH)


async def copied(engine: AsyncEngine, count: int) -> float:
    """Events per second with COPY into a bare table of the same columns: no index, no id counted once, no marks."""
    names = [column.name for column in llm_calls.columns if column.name in LLMCall.model_fields]
    given = [tuple(getattr(call, name) for name in names) for call in calls(count)]
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE bare (LIKE llm_calls INCLUDING DEFAULTS INCLUDING IDENTITY)"))
        driver: Any = (await connection.get_raw_connection()).driver_connection

        async def store(start: int) -> None:
            await driver.copy_records_to_table("bare", records=given[start : start + BATCH], columns=names)

        rate = await _rate(count, store, BATCH)
        await connection.execute(text("DROP TABLE bare"))
    return rate


async def one_by_one(engine: AsyncEngine, count: int) -> float:
    """Events per second with one INSERT and one commit each."""
    rows = [call.model_dump(exclude={"schema_version"}) for call in calls(min(count, ONE_BY_ONE))]

    async def store(number: int) -> None:
        async with engine.begin() as connection:
            await connection.execute(insert(llm_calls).values(**rows[number]))

    return await _rate(len(rows), store, 1)


async def _rate(count: int, step: Callable[[int], Awaitable[object]], stride: int) -> float:
    began = time.perf_counter()
    for start in range(0, count, stride):
        await step(start)
    return count / (time.perf_counter() - began)


@asynccontextmanager
async def database(url: str | None) -> AsyncIterator[str]:
    """The database that is given, or one for this run."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="feedback-bench-") as directory:
        async with EmbeddedPostgres(Path(directory)) as server:
            yield server.url


async def run(url: str | None, events: int) -> None:
    """All rounds, and the table."""
    ways = {"full path": full_path, "batches": batches, "one by one": one_by_one}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    async with database(url) as found:
        settings = DatabaseSettings(url=found)
        await migrate(settings)
        engine = create_engine(settings)
        for _ in range(ROUNDS):
            for name, way in ways.items():
                rates[name].append(await way(engine, events))
        async with engine.connect() as connection:
            rows = (await connection.execute(text("SELECT count(*) FROM llm_calls"))).scalar_one()
        await engine.dispose()
    for name, measured in rates.items():
        print(f"{name:<12} {median(measured):>9,.0f} events/s   (lowest {min(measured):,.0f}, {ROUNDS} rounds)")
    print(f"rows in the table at the end: {rows:,}")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=40_000, help="events per round of the fast ways")
    parser.add_argument("--database", default=None, help="URL of a database to write to, instead of an embedded one")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.database, arguments.events))


if __name__ == "__main__":
    main()
