"""`feedback import-usage` on real tables: no row is lost, none is doubled, and none is left out in silence."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.older_table import look_at
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.postgres.usage.roller import PostgresUsageRoller
from adapters.postgres.usage_import import UsageImport
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window
from runtime.settings import Settings
from tests import services
from tests.integration.import_support import older, one, run, same_sums, says
from tests.usage_support import migrated_database

EVER = UsageQuestion(Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)), group_by=("tenant",))


@pytest.fixture
async def database(postgres) -> AsyncIterator[tuple[str, AsyncEngine]]:
    async with migrated_database(postgres.url) as (settings, engine):
        yield settings.url or "", engine


async def test_all_of_it_is_adopted_once_from_the_same_database(database, feedback_says):
    url, engine = database
    await older(engine, count=7_000)

    tried = await says(feedback_says, url, "older", "--dry-run")
    assert tried.code == 0, tried
    assert "7,000 rows read = 7,000 would be stored + 0 already there + 0 refused" in tried.out
    assert await one(engine, "SELECT count(*) FROM llm_calls") == (0,)

    done = await says(feedback_says, url, "older")
    assert done.code == 0, done
    assert "7,000 rows read = 7,000 stored + 0 already there + 0 refused" in done.out
    await same_sums(engine, engine)
    again = await says(feedback_says, url, "public.older")
    assert again.code == 0, again
    assert "7,000 rows read = 0 stored + 7,000 already there + 0 refused" in again.out
    await same_sums(engine, engine)
    # In partitions of their months, as calls that are invocations of their own, stored when they were.
    assert await one(engine, "SELECT count(*) FROM llm_calls_other") == (0,)
    assert await one(engine, "SELECT count(*) FROM llm_calls_202412") > (1_000,)
    odd = 'SELECT count(*) FROM llm_calls WHERE invocation_id <> call_id OR invocation_started_at <> "timestamp"'
    assert await one(engine, f"{odd} OR created_at <> \"timestamp\" + interval '1 second' OR provider <> 'openai'") == (
        0,
    )
    for _ in range(50):
        rolled = await PostgresUsageRoller(engine).roll()
        if rolled is not None and not rolled.days and not rolled.weeks and not rolled.months:
            break
    answer = await PostgresUsageAnswers(engine).answer(EVER)
    total, cost = await one(engine, "SELECT count(*), sum(cost_usd) FROM older")
    assert (answer.total.llm_calls.total, answer.total.llm_calls.cost_usd) == (total, cost)
    assert answer.total.invocations.total == total


async def test_another_database_and_names_and_kinds_that_need_care(database, postgres, feedback_says):
    url, engine = database
    async with services.new_database(postgres.url) as other:
        source = create_engine(DatabaseSettings(url=other))
        try:
            name = '"Old: calls"'
            kinds = {"moment": "timestamp", "number": "integer", "cost": "double precision"}
            await run(source, "SET TIME ZONE 'Asia/Tokyo'")
            await older(source, name, id="uuid DEFAULT gen_random_uuid()", **kinds)
            await run(
                source,
                f'INSERT INTO {name} (tenant_id, operation, "timestamp", call_duration_ms, model, input_tokens, '  # noqa: S608
                "output_tokens, cost_usd, status, created_at) SELECT 't', 'o', '2025-01-31 23:30', 5, NULL, 1, 2, "
                "number * 0.1::float8, 'ok', NULL FROM generate_series(1, 1200) AS number",
            )
            done = await says(feedback_says, url, name, "--database", other)
            assert done.code == 0, done
            assert "timestamp of public.Old: calls has no time zone: it is taken to be in UTC" in done.out
            assert "1,200 stored" in done.out
            stored = await one(engine, 'SELECT DISTINCT "timestamp", count(*) OVER () FROM llm_calls')
            assert stored == (datetime(2025, 1, 31, 23, 30, tzinfo=UTC), 1200)
            exact = await one(source, f"SELECT sum(cost_usd::text::numeric) FROM {name}")  # noqa: S608
            spent = await one(engine, "SELECT sum(cost_usd) FROM llm_calls")
            assert abs(exact[0] - spent[0]) < Decimal("1e-9")
            assert f"{exact[0].normalize():f}" in done.out
            again = await says(feedback_says, url, name, IMPORT_DATABASE_URL=other)
            assert (again.code, "0 stored + 1,200 already there" in again.out) == (0, True), again
        finally:
            await source.dispose()


@pytest.mark.long
async def test_killed_at_any_moment_it_goes_on_where_it_was(database, tmp_path):
    url, engine = database
    await older(engine, count=40_000)
    kept = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    command = (sys.executable, "-m", "runtime.cli.main", "import-usage", "--table", "older")
    for _ in range(2):
        before = (await one(engine, "SELECT count(*) FROM llm_calls"))[0]
        process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, env=kept | {"DATABASE_URL": url})
        async with asyncio.timeout(60):
            while (await one(engine, "SELECT count(*) FROM llm_calls"))[0] <= before and process.returncode is None:
                pass  # each look takes a moment
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()
    some = (await one(engine, "SELECT count(*) FROM llm_calls"))[0]
    assert some > 0

    table = await look_at(engine, "older")
    work = UsageImport(engine, engine, table, table.name, lambda *_: pytest.fail("refused"))
    async for _ in work.run():
        pass
    assert work.tally.adds_up
    assert work.tally.stored + work.tally.already_there == 40_000
    await same_sums(engine, engine)
