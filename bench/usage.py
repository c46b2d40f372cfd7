"""LLM calls in and answers out, each beside the plain way, in one run: `make bench-usage ROWS=N`.

    python -m bench.usage --rows N [--events N] [--rounds N] [--database URL]

Written: events a second, validated ones, by the consumer's sink; beside raw COPY into the same table, and beside one
INSERT and commit per call. Read, from N rows that the database makes itself (`bench.usage_rows`): a question answered
from rollups, beside `percentile_cont` over raw rows. Over HTTP: 8 clients at once, with a mix of questions, against
`feedback api`. Space: the rollups' part of the raw table, both with their indexes.

The last line is for programs; its ratios are of medians.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median
from typing import Any

import aiohttp
from rich.progress import Progress
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import migrate
from adapters.postgres.tables import ROLLUPS
from adapters.postgres.usage.exact import PostgresUsageReader
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.postgres.usage.roller import PostgresUsageRoller
from bench.figures import show, table, told
from bench.servers import ROOT
from bench.usage_rows import fill, year
from bench.usage_write import BATCH, calls, copied, database, one_by_one
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window
from runtime.embedded.ports import choose

TENANT = "tenant-0"
CLIENTS = 8
REQUESTS = 25
_SIZES = text("""
    SELECT coalesce(sum(pg_total_relation_size(oid)) FILTER (WHERE relname LIKE 'llm\\_calls%'), 0) AS raw,
           coalesce(sum(pg_total_relation_size(oid)) FILTER (WHERE relname LIKE 'usage\\_%'), 0) AS rollups
    FROM pg_class WHERE relkind = 'r'
""")


@dataclass(slots=True)
class Figures:
    """What was measured: events a second, and seconds, by name."""

    written: dict[str, list[float]] = field(default_factory=dict)
    quick: dict[str, list[float]] = field(default_factory=dict)
    plain: dict[str, list[float]] = field(default_factory=dict)
    http: list[float] = field(default_factory=list)
    share: float = 0.0


async def write(engine: AsyncEngine, events: int, rounds: int, figures: Figures) -> None:
    """The three ways of writing, in turns."""
    sink = PostgresLLMCallSink(engine)

    async def ours(engine: AsyncEngine, count: int) -> float:
        del engine
        given = calls(count)
        began = time.perf_counter()
        for start in range(0, count, BATCH):
            await sink.write(given[start : start + BATCH])
        return count / (time.perf_counter() - began)

    ways: dict[str, Callable[[AsyncEngine, int], Awaitable[float]]] = {
        "consumer's sink": ours,
        "raw COPY": copied,
        "one INSERT and commit each": one_by_one,
    }
    for _ in range(rounds):
        for name, way in ways.items():
            figures.written.setdefault(name, []).append(await way(engine, events))
    async with engine.begin() as connection:
        await connection.execute(text(f"TRUNCATE llm_calls, usage_marks, {', '.join(table.name for table in ROLLUPS)}"))


async def roll(engine: AsyncEngine, progress: Progress) -> float:
    """Make all rollups; seconds."""
    roller, began = PostgresUsageRoller(engine), time.perf_counter()
    async with engine.connect() as connection:
        marked = (
            await connection.execute(text("SELECT count(DISTINCT (tenant_id, first_day)) FROM usage_marks"))
        ).scalar_one()
    task = progress.add_task("rolling up days", total=marked)
    while (done := await roller.roll()) is not None and (done.days or done.weeks or done.months):
        progress.advance(task, done.days)
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(f"VACUUM ANALYZE {', '.join(table.name for table in ROLLUPS)}, usage_marks"))
    return time.perf_counter() - began


async def read(engine: AsyncEngine, rounds: int, figures: Figures) -> None:
    """The questions, from rollups and over raw rows, in turns."""
    start, end = year()
    month, all_time = Window(end - timedelta(days=30), end), Window(start.replace(day=1), end)
    answers, exact = PostgresUsageAnswers(engine), PostgresUsageReader(engine)
    own: dict[Any, tuple[str | None, ...]] = {"tenant": (TENANT,)}
    asked: dict[str, tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]], int]] = {
        "one tenant, 30 days": (
            lambda: answers.answer(UsageQuestion(month, filters=own)),
            lambda: exact.of_tenant(TENANT, month),
            rounds,
        ),
        "one tenant, all time": (
            lambda: answers.answer(UsageQuestion(all_time, filters=own)),
            lambda: exact.of_tenant(TENANT, all_time),
            rounds,
        ),
        "all tenants, all time": (
            lambda: answers.answer(UsageQuestion(all_time, group_by=("tenant",))),
            lambda: exact.by_tenant(all_time),
            1,
        ),
    }
    for name, (ours, plain, plain_rounds) in asked.items():
        await ours()
        for number in range(rounds):
            figures.quick.setdefault(name, []).append(await _seconds(ours))
            if number < plain_rounds:
                figures.plain.setdefault(name, []).append(await _seconds(plain))


async def _seconds(ask: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await ask()
    return time.perf_counter() - began


async def over_http(url: str, engine: AsyncEngine, figures: Figures) -> None:
    """Milliseconds of each answer, with CLIENTS at once."""
    key = await PostgresKeyStore(engine).create(TENANT, superuser=True)
    start, end = year()
    month = {"from": (end - timedelta(days=30)).isoformat(), "to": end.isoformat()}
    all_time = {"from": start.replace(day=1).isoformat(), "to": end.isoformat()}
    mix = [
        ("/v1/usage", month),
        ("/v1/usage", all_time),
        ("/v1/usage/all/by-tenant", month),
        ("/v1/usage/all/by-tenant", all_time),
        ("/v1/usage/query", {**all_time, "group_by": "month"}),
        ("/v1/usage/query", {**month, "group_by": "operation,model"}),
    ]
    port = choose(set())
    settings = {"DATABASE_URL": url, "API_PORT": str(port), "API_REQUESTS_PER_MINUTE": "1000000"}
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime.cli.main", "api", cwd=ROOT, env={**os.environ, **settings}
    )
    try:
        headers = {"Authorization": f"Bearer {key.text}"}
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:
            await _up(session)

            async def client(number: int) -> None:
                for request in range(REQUESTS):
                    path, asked = mix[(number + request) % len(mix)]
                    began = time.perf_counter()
                    async with session.get(path, params=asked) as answer:
                        body = await answer.read()
                        assert answer.status == 200, body
                    figures.http.append((time.perf_counter() - began) * 1000)

            await asyncio.gather(*map(client, range(CLIENTS)))
    finally:
        server.terminate()
        await server.wait()


async def _up(session: aiohttp.ClientSession) -> None:
    for _ in range(300):
        try:
            async with session.get("/readyz") as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientConnectionError:
            pass
        await asyncio.sleep(0.2)
    sys.exit("bench: the API does not get ready.")


async def run(url: str | None, rows: int, events: int, rounds: int) -> None:
    """All of it, and the tables."""
    figures = Figures()
    async with database(url) as found:
        settings = DatabaseSettings(url=found, command_timeout_seconds=None)
        await migrate(settings)
        engine = create_engine(settings)
        await write(engine, events, rounds, figures)
        with Progress(transient=True) as progress:
            task = progress.add_task("storing calls", total=rows)
            began = time.perf_counter()
            await fill(engine, rows, lambda stored: progress.update(task, completed=stored))
            filled = time.perf_counter() - began
            rolled = await roll(engine, progress)
        async with engine.connect() as connection:
            sizes = (await connection.execute(_SIZES)).one()
        figures.share = float(sizes.rollups / sizes.raw)
        await read(engine, rounds, figures)
        await over_http(found, engine, figures)
        await engine.dispose()
    report(figures, rows, sizes, filled, rolled)


def report(figures: Figures, rows: int, sizes: Any, filled: float, rolled: float) -> None:
    """The tables, and the last line."""
    written = table("LLM calls in", ["way", "events/s"])
    for name, rates in figures.written.items():
        written.add_row(name, told(rates))
    show(written)
    times = table(f"{rows:,} rows, answers out", ["question", "rollups, ms", "percentile_cont, ms", "ratio"])
    ratios = {name: median(figures.plain[name]) / median(quick) for name, quick in figures.quick.items()}
    for name, quick in figures.quick.items():
        plain = figures.plain[name]
        times.add_row(name, *(told([one * 1000 for one in of], 1) for of in (quick, plain)), f"{ratios[name]:,.0f}")
    show(times)
    print(f"stored in {filled:,.0f} s, rolled up in {rolled:,.0f} s ({rows / rolled:,.0f} rows/s)")
    print(f"raw table {sizes.raw / 2**20:,.0f} MiB, rollups {sizes.rollups / 2**20:,.0f} MiB")
    print(f"over HTTP, {CLIENTS} clients: {told(figures.http, 1)} ms")
    ingest = median(figures.written["consumer's sink"]) / median(figures.written["one INSERT and commit each"])
    month, own, everyone = ratios.values()
    print(
        f"usage: rows={rows} ingest_ratio={ingest:.1f} one_tenant_30d={month:.1f} one_tenant_all={own:.1f} "
        f"all_tenants_all={everyone:.1f} http_p50_ms={median(figures.http):.1f} rollup_share={figures.share:.4f}"
    )


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows to read from")
    parser.add_argument("--events", type=int, default=60_000, help="events per round of the quick ways of writing")
    parser.add_argument("--rounds", type=int, default=5, help="of each way; over all raw rows it is one")
    parser.add_argument("--database", default=None, help="URL of an empty database, instead of an embedded one")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.database, arguments.rows, arguments.events, arguments.rounds))


if __name__ == "__main__":
    main()
