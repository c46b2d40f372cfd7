"""`feedback import-usage` on real tables: no row is lost, none is doubled, and none is left out in silence."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.older_table import look_at
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.postgres.usage.roller import PostgresUsageRoller
from adapters.postgres.usage_import import UsageImport
from domain.errors import UserError
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window
from runtime.settings import Settings
from tests import services
from tests.integration.roles_support import engine_of, login
from tests.usage_support import migrated_database

EVER = UsageQuestion(Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)), group_by=("tenant",))
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


@pytest.fixture
async def database(postgres) -> AsyncIterator[tuple[str, AsyncEngine]]:
    async with migrated_database(postgres.url) as (settings, engine):
        yield settings.url or "", engine


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


BAD = {
    "cost_usd is NaN": {"cost_usd": "'NaN'"},
    "timestamp is null, infinite, or not of the years 2000 to 2999": {'"timestamp"': "'infinity'"},
    "status `half` is not known": {"status": "'half'"},
    "tenant_id is null": {"tenant_id": "NULL"},
    "input_tokens is negative": {"input_tokens": "-1"},
    "call_duration_ms is null": {"call_duration_ms": "NULL"},
    "id is null": {"id": "NULL"},
}


async def test_what_cannot_be_stored_is_counted_and_named_and_can_be_mended(database, feedback_says, tmp_path):
    url, engine = database
    await older(engine, count=50, id="bigint", cost="double precision")
    await run(engine, "UPDATE older SET id = row.id FROM (SELECT ctid AS at, row_number() OVER () AS id FROM older) "
              "AS row WHERE row.at = older.ctid")  # fmt: skip
    for number, changes in enumerate(BAD.values(), start=1):
        changed = ", ".join(f"{column} = {value}" for column, value in changes.items())
        await run(engine, f"UPDATE older SET {changed} WHERE id = {number}")  # noqa: S608
    await run(
        engine, 'UPDATE older SET "timestamp" = NULL WHERE id = 8', "UPDATE older SET cost_usd = 1e5 WHERE id = 9"
    )
    await run(engine, "UPDATE older SET \"timestamp\" = '0044-03-15 BC' WHERE id = 10")

    done = await says(feedback_says, url, "older")
    assert done.code == 1, done
    refused = len(BAD) + 2
    assert f"50 rows read = {50 - refused} stored + 0 already there + {refused} refused" in done.out
    for reason in BAD:
        assert reason in done.err
    assert "1 have a cost or tokens that cannot be" in done.err
    assert "sums are not equal" not in done.err
    lines = [json.loads(line) for line in (tmp_path / "import-usage.refused.jsonl").read_text().splitlines()]
    assert {line["id"] for line in lines} == {None, *"1234568", "10"}
    assert await one(engine, "SELECT count(*), count(*) FILTER (WHERE cost_usd = 'NaN') FROM llm_calls") == (41, 0)

    await run(engine, "DELETE FROM older WHERE id IS NULL",
              "UPDATE older SET cost_usd = 0.5, \"timestamp\" = '2025-01-01', status = 'ok', tenant_id = 't', "
              "input_tokens = 1, call_duration_ms = 1 WHERE id < 11 AND id <> 9")  # fmt: skip
    mended = await says(feedback_says, url, "older")
    assert mended.code == 0, mended
    assert f"49 rows read = {refused - 1} stored + {50 - refused} already there + 0 refused" in mended.out


async def test_rows_of_a_month_that_was_dropped_are_refused_and_another_tables_rows_are_not_taken_for_these(
    database, feedback_says
):
    url, engine = database
    await run(engine, "INSERT INTO usage_retention (raw_from) VALUES ('2025-02-01')")
    await older(engine, count=300)
    done = await says(feedback_says, url, "older")
    assert done.code == 1, done
    late, early = await one(
        engine,
        'SELECT count(*) FILTER (WHERE "timestamp" >= \'2025-02-01Z\'), count(*) FILTER (WHERE "timestamp" < '
        "'2025-02-01Z') FROM older",
    )
    assert f"{late} stored + 0 already there + {early} refused" in done.out
    assert "of a month whose LLM calls were dropped" in done.err

    await run(engine, "CREATE SCHEMA elsewhere", "DELETE FROM older WHERE \"timestamp\" < '2025-02-01Z'")
    await run(engine, "CREATE TABLE elsewhere.older AS SELECT * FROM older", "UPDATE elsewhere.older SET cost_usd = 7")
    same = await says(feedback_says, url, "elsewhere.older", "--source-name", "public.older")
    assert (same.code, f"0 already there + {late} refused" in same.out) == (1, True), same
    assert "--source-name" in same.err
    other = await says(feedback_says, url, "elsewhere.older")
    assert (other.code, f"{late} stored + 0 already there" in other.out) == (0, True), other


async def test_a_row_that_was_moved_to_another_month_is_not_stored_twice(database, feedback_says):
    url, engine = database
    await older(engine, count=200)
    assert (await says(feedback_says, url, "older")).code == 0
    await run(engine, 'UPDATE older SET "timestamp" = "timestamp" + interval \'40 days\' WHERE id IN (7, 8)')
    for dry in ((), ("--dry-run",)):
        moved = await says(feedback_says, url, "older", *dry)
        assert moved.code == 1, moved
        assert "198 already there + 2 refused" in moved.out
        assert "imported before with another timestamp" in moved.err
    assert await one(engine, "SELECT count(*) FROM llm_calls") == (200,)


async def test_amounts_that_no_table_should_have_break_no_sum_and_no_table(database, feedback_says):
    url, engine = database
    await older(engine, count=20, cost="double precision")
    for number, cost in enumerate(("1e300", "1e-300", "0.1::float8 + 0.2::float8"), start=1):
        await run(engine, f"UPDATE older SET cost_usd = {cost} WHERE id = {number}")  # noqa: S608
    done = await says(feedback_says, url, "older")
    assert done.code == 0, done
    assert "20 stored" in done.out
    assert "1.000000000000e+300" in done.out
    assert max(map(len, done.out.splitlines())) < 160


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


@pytest.mark.parametrize(
    ("statements", "name", "words"),
    [
        ((), "nowhere", "no table"),
        ((), "x; DROP TABLE llm_calls", "no table"),
        ((), "llm_calls", "has calls of this release already"),
        (("CREATE TABLE odd (id int, tenant_id text)",), "odd", "has no column operation, timestamp"),
        (
            (OLDER.format(name="odd", **KINDS | {"cost": "money"}),),
            "odd",
            "cost_usd of public.odd is of the type money",
        ),
        (
            (
                OLDER.format(name="odd", **KINDS | {"id": "int"}),
                "INSERT INTO odd (id) VALUES (7), (7), (8), (8), (9)",
            ),
            "odd",
            "have the same id (7, 8)",
        ),
    ],
)
async def test_what_is_no_such_table_is_told_in_one_sentence(database, feedback_says, statements, name, words):
    url, engine = database
    await run(engine, *statements)
    (await says(feedback_says, url, name)).assert_one_sentence(words)


async def test_a_wrong_database_is_told_in_one_sentence_without_its_password(database, feedback_says):
    url, _ = database
    ended = await says(feedback_says, url, "older", "--database", "postgresql://u:hush@127.0.0.1:1/x")
    ended.assert_one_sentence("cannot be reached")
    assert "hush" not in ended.err


async def test_who_may_not_read_or_write_is_told_so(database, feedback_says):
    url, engine = database
    await older(engine, count=3)
    async with login(engine, url, None) as settings, engine_of(settings) as stranger:
        with pytest.raises(UserError, match="may not read the older table"):
            await look_at(stranger, "older")
        (await says(feedback_says, settings.url or "", "older")).assert_one_sentence("alembic_version")
