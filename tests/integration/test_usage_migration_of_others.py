"""Migration 0005 on a table that others use, too: what they were granted stays, what is in the way is said first."""

import io
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.migrate import alembic_config, migrate
from domain.errors import UserError
from tests.integration.roles_support import downgrade_to

ROWS, TENANTS, DAYS = 3000, 7, 120
SINCE = datetime(2026, 5, 20, 0, 30, tzinfo=UTC)
# Each invocation began an hour before its call: some of them on the day before.
FILL = f"""
    INSERT INTO llm_calls (call_id, tenant_id, operation, invocation_id, invocation_started_at, "timestamp",
                           call_duration_ms, provider, request_model, cost_usd, status, attempt)
    SELECT gen_random_uuid(), 't' || n % {TENANTS}, 'o', gen_random_uuid(), at - interval '1 hour', at,
           n, 'p', 'm', n / 1000.0, 'ok', 1
    FROM generate_series(1, {ROWS}) AS n, LATERAL (SELECT CAST(:since AS timestamptz) + n % {DAYS} * interval '1 day')
         AS moment(at)
"""  # noqa: S608 - numbers of ours
MADE = (
    "CREATE ROLE {reader}",
    'CREATE ROLE "{reader} 2"',
    "GRANT SELECT, TRIGGER ON llm_calls TO {reader} WITH GRANT OPTION",
    'GRANT SELECT (cost_usd, "timestamp"), UPDATE (model) ON llm_calls TO "{reader} 2"',
    "GRANT REFERENCES ON llm_calls TO PUBLIC",
)
GRANTED = """
    SELECT CASE held.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(held.grantee) END, attname,
           held.privilege_type, held.is_grantable
    FROM (SELECT relacl AS acl, '' AS attname FROM pg_class WHERE oid = 'llm_calls'::regclass
          UNION ALL SELECT attacl, attname FROM pg_attribute WHERE attrelid = 'llm_calls'::regclass) AS lists,
         LATERAL aclexplode(acl) AS held
    WHERE held.grantee <> (SELECT relowner FROM pg_class WHERE oid = 'llm_calls'::regclass)
      AND pg_get_userbyid(held.grantee) NOT LIKE 'feedback%'
"""
MARKED = "SELECT tenant_id, first_day FROM usage_marks WHERE unit = 'day'"
TOUCHED = """
    SELECT tenant_id, ("timestamp" AT TIME ZONE 'UTC')::date FROM llm_calls
    UNION SELECT tenant_id, (invocation_started_at AT TIME ZONE 'UTC')::date FROM llm_calls
"""
INDEXED = """
    SELECT inhrelid::regclass::text, (SELECT count(*) FROM pg_index WHERE indrelid = inhrelid AND indisunique)
    FROM pg_inherits WHERE inhparent = 'llm_calls'::regclass
"""
CONSUMERS = "SELECT has_column_privilege('feedback_consumer', 'llm_calls', 'call_id', 'SELECT')"


async def fetched(engine: AsyncEngine, query: str) -> list[tuple]:
    async with engine.connect() as connection:
        return sorted(map(tuple, (await connection.execute(text(query))).all()))


async def done(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


@pytest.fixture
async def database(fresh_database):
    """At the release before, with some thousand rows, and roles that are nobody else's."""
    settings = DatabaseSettings(url=fresh_database)
    reader = f"reader_{fresh_database.rpartition('/')[2]}"
    await migrate(settings, revision="0004")
    engine = create_engine(settings)
    async with engine.begin() as connection:
        await connection.execute(text(FILL), {"since": SINCE})
    await done(engine, *(statement.format(reader=reader) for statement in MADE))
    yield settings, engine, reader
    for role in (reader, f'"{reader} 2"'):
        await done(engine, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    await engine.dispose()


async def test_what_others_were_granted_stays_and_every_day_that_is_there_is_marked(database):
    settings, engine, reader = database
    before = await fetched(engine, GRANTED)
    assert (reader, "", "SELECT", True) in before
    assert (f"{reader} 2", "cost_usd", "SELECT", False) in before
    assert ("PUBLIC", "", "REFERENCES", False) in before

    await migrate(settings)

    assert await fetched(engine, GRANTED) == before
    assert await fetched(engine, CONSUMERS) == [(False,)]  # what the release before needed
    assert await fetched(engine, "SELECT count(*) FROM llm_calls") == [(ROWS,)]
    marked = await fetched(engine, MARKED)
    assert marked == await fetched(engine, TOUCHED)
    assert len(marked) > DAYS
    indexed = dict(await fetched(engine, INDEXED))
    assert set(indexed.values()) == {1}
    assert {"llm_calls_202605", f"llm_calls_{SINCE + timedelta(days=DAYS - 1):%Y%m}", "llm_calls_other"} <= set(indexed)

    async with engine.begin() as connection:
        await connection.run_sync(downgrade_to("0004"))

    assert await fetched(engine, GRANTED) == before
    assert await fetched(engine, CONSUMERS) == [(True,)]


async def test_a_script_for_somebody_with_more_rights_does_the_same(database):
    settings, engine, _ = database
    before = await fetched(engine, GRANTED)
    config = alembic_config()
    config.output_buffer = script = io.StringIO()
    command.upgrade(config, "0004:head", sql=True)

    connection = await asyncpg.connect(settings.url)
    await connection.execute(script.getvalue())
    await connection.close()

    assert await fetched(engine, GRANTED) == before
    assert len(await fetched(engine, MARKED)) > DAYS
    assert not (await migrate(settings)).changed


async def test_what_depends_on_the_table_is_named_before_anything_is_done(database):
    settings, engine, _ = database
    views = (
        "CREATE VIEW calls_by_day AS SELECT date_trunc('day', \"timestamp\") AS d, count(*) FROM llm_calls GROUP BY 1",
        "CREATE MATERIALIZED VIEW busiest AS SELECT max(count) FROM calls_by_day",
        # Where the rows were copied first, this would be in the way before the views are.
        "CREATE TABLE llm_calls_other ()",
    )
    await done(engine, *views)

    with pytest.raises(UserError) as told:
        await migrate(settings)

    assert "view calls_by_day" in told.value.message
    assert "materialized view busiest" in told.value.message
    assert "\n" not in told.value.message
    assert "make it again" in told.value.remedy
    assert await fetched(engine, "SELECT count(*) FROM llm_calls") == [(ROWS,)]
    assert await fetched(engine, "SELECT version_num FROM alembic_version") == [("0004",)]

    await done(engine, "DROP VIEW calls_by_day CASCADE", "DROP TABLE llm_calls_other")
    assert (await migrate(settings)).before == "0004"
    await done(engine, *views[:2])
    async with engine.connect() as connection:
        with pytest.raises(UserError, match="view calls_by_day"):
            await connection.run_sync(downgrade_to("0004"))
