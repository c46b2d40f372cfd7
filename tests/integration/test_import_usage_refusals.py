"""What `feedback import-usage` cannot store, and what is no such table: counted, named, and told in a sentence."""

import json
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.older_table import look_at
from domain.errors import UserError
from tests.integration.import_support import KINDS, OLDER, older, one, run, says
from tests.integration.roles_support import engine_of, login
from tests.usage_support import migrated_database


@pytest.fixture
async def database(postgres) -> AsyncIterator[tuple[str, AsyncEngine]]:
    async with migrated_database(postgres.url) as (settings, engine):
        yield settings.url or "", engine


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


async def test_rows_of_a_month_that_was_dropped_are_refused(database, feedback_says):
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
    assert "Into months that were dropped nothing is imported any more" in done.err
    assert "Mend" not in done.err


async def test_another_tables_rows_are_not_taken_for_these_and_have_a_name_of_their_own(database, feedback_says):
    url, engine = database
    await older(engine, count=300)
    assert (await says(feedback_says, url, "older")).code == 0
    await run(engine, "CREATE SCHEMA elsewhere", "CREATE TABLE elsewhere.older AS SELECT * FROM older")
    await run(engine, "UPDATE elsewhere.older SET cost_usd = 7, tenant_id = 'other'")
    same = await says(feedback_says, url, "elsewhere.older", "--source-name", "public.older")
    assert (same.code, "0 already there + 300 refused" in same.out) == (1, True), same
    assert "imported before with another tenant_id, cost_usd" in same.err
    assert "if elsewhere.older is another table, give it another --source-name" in same.err
    assert "Mend" not in same.err
    other = await says(feedback_says, url, "elsewhere.older")
    assert (other.code, "300 stored + 0 already there" in other.out) == (0, True), other


async def test_rows_that_were_changed_since_stay_as_they_were_and_nobody_is_led_to_store_them_twice(
    database, feedback_says
):
    url, engine = database
    await older(engine, count=200)
    assert (await says(feedback_says, url, "older")).code == 0
    before = await one(engine, "SELECT count(*), sum(cost_usd) FROM llm_calls")
    await run(engine, "UPDATE older SET cost_usd = 7 WHERE id IN (7, 8)")
    again = await says(feedback_says, url, "older")
    assert (again.code, "198 already there + 2 refused" in again.out) == (1, True), again
    assert "2 refused: imported before with another cost_usd: what was stored then stays" in again.err
    assert "--source-name" not in again.err
    for dry in ((), ("--dry-run",)):
        renamed = await says(feedback_says, url, "older", "--source-name", "again", *dry)
        renamed.assert_one_sentence("200 of the first 200 rows of public.older are in llm_calls already")
    assert await one(engine, "SELECT count(*), sum(cost_usd) FROM llm_calls") == before


async def test_ids_of_a_fixed_length_are_read_once_each(database, feedback_says, tmp_path):
    url, engine = database
    await older(engine, id="char(36)")
    await run(
        engine,
        'INSERT INTO older (id, tenant_id, operation, "timestamp", call_duration_ms, input_tokens, output_tokens, '
        "status) SELECT 'call-' || number, 't', 'o', '2025-01-31', 5, number, 2, 'ok' "
        "FROM generate_series(1, 3000) AS number",
    )
    (tmp_path / "import-usage.refused.jsonl").write_text("of an earlier import")
    done = await says(feedback_says, url, "older")
    assert (done.code, "3,000 rows read = 3,000 stored + 0 already there" in done.out) == (0, True), done
    assert (tmp_path / "import-usage.refused.jsonl").read_text() == ""
    await run(engine, "UPDATE older SET tenant_id = NULL WHERE id = 'call-7'")
    (await says(feedback_says, url, "older", "--refused", "/dev/full")).assert_one_sentence("could not be listed")


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
        assert "--source-name" not in moved.err
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
    ended.assert_one_sentence("The older table's database")
    assert "cannot be reached" in ended.err
    assert "IMPORT_DATABASE_URL" in ended.err
    assert " DATABASE_URL" not in ended.err
    assert "hush" not in ended.err


async def test_who_may_not_read_or_write_is_told_so(database, feedback_says):
    url, engine = database
    await older(engine, count=3)
    async with login(engine, url, None) as settings, engine_of(settings) as stranger:
        with pytest.raises(UserError, match="may not read the older table"):
            await look_at(stranger, "older")
        (await says(feedback_says, settings.url or "", "older")).assert_one_sentence("alembic_version")
