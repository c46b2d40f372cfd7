"""The schema that the migrations make is the one that the tables declare, also when replicas start together."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from adapters.postgres.engine import DatabaseSettings, check, create_engine
from adapters.postgres.migrate import MigrationReport, alembic_config, is_current, migrate
from adapters.postgres.tables import metadata
from domain.errors import UserError
from runtime.settings import Settings
from tests.integration.roles_support import newest

ROOT = Path(__file__).parents[2]
TABLES = ", ".join(f"'{name}'" for name in metadata.tables)


@pytest.fixture
async def engine(fresh_database):
    engine = create_engine(DatabaseSettings(url=fresh_database))
    yield engine
    await engine.dispose()


def _is_declared(name: str | None, kind: str, _: object) -> bool:
    """Partitions are made as months come."""
    return kind != "table" or not (name or "").startswith("llm_calls_")


def _differences(connection: Connection):
    options = {"compare_type": True, "compare_server_default": True, "include_name": _is_declared}
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def _shape(connection: Connection):
    """What autogenerate does not look at: check constraints, primary keys, identities, kinds of indexes."""
    query = f"""
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid::regclass::text IN ({TABLES}) AND contype <> 'n'  -- nullable or not: the columns say it
        UNION ALL
        SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE tablename IN ({TABLES})
        UNION ALL
        SELECT table_name, column_name, concat_ws(' ', data_type, is_nullable, column_default, identity_generation,
                                                  numeric_precision, numeric_scale)
        FROM information_schema.columns WHERE table_name IN ({TABLES})
        UNION ALL
        SELECT relname, 'partitioned', pg_get_partkeydef(oid) FROM pg_class WHERE relname IN ({TABLES})
    """  # noqa: S608 - our own tables' names
    return sorted(tuple(row) for row in connection.execute(text(query)))


async def test_the_migrated_schema_is_the_declared_one(fresh_database, engine):
    await migrate(DatabaseSettings(url=fresh_database))

    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
        migrated = await connection.run_sync(_shape)
        await connection.execute(text(f"DROP TABLE {', '.join(metadata.tables)}"))
        await connection.run_sync(metadata.create_all)
        assert migrated == await connection.run_sync(_shape)


async def test_five_replicas_may_start_together(fresh_database, engine):
    settings = DatabaseSettings(url=fresh_database)

    reports = await asyncio.gather(*(migrate(settings) for _ in range(5)))

    assert sorted(report.changed for report in reports) == [False, False, False, False, True]
    assert {report.after for report in reports} == {newest()}
    assert await migrate(settings) == MigrationReport(newest(), newest())
    assert await is_current(engine)


async def test_down_and_up_again(fresh_database, engine):
    settings = DatabaseSettings(url=fresh_database)
    await migrate(settings)

    def downgrade(connection: Connection):
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        return inspect(connection).get_table_names()

    async with engine.begin() as connection:
        assert await connection.run_sync(downgrade) == ["alembic_version"]
    assert not await is_current(engine)
    assert await migrate(settings) == MigrationReport(None, newest())


async def test_a_database_of_a_newer_release_is_left_alone(fresh_database, engine):
    settings = DatabaseSettings(url=fresh_database)
    await migrate(settings)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(UserError, match="9999"):
        await migrate(settings)
    assert await is_current(engine)


async def test_wrong_settings_are_told_in_one_sentence_with_a_remedy(fresh_database):
    parts = urlsplit(fresh_database)
    stranger = parts._replace(netloc="stranger:secret@" + parts.netloc.rpartition("@")[2])
    cases = {
        "no database named nowhere": DatabaseSettings(url=urlunsplit(parts._replace(path="/nowhere"))),
        "refused the user name": DatabaseSettings(url=urlunsplit(stranger)),
        "cannot be reached": DatabaseSettings(host="127.0.0.1", port=1, user="a", password="secret", name="b"),
    }
    for sentence, settings in cases.items():
        with pytest.raises(UserError, match=sentence) as caught:
            await check(settings)
        assert caught.value.remedy
        assert "secret" not in str(caught.value)


async def test_a_user_without_rights_is_told_so_in_one_sentence(fresh_database, engine):
    await migrate(DatabaseSettings(url=fresh_database))
    name = f"nobody_{os.urandom(4).hex()}"
    async with engine.begin() as connection:
        await connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'chaff'"))
    parts = urlsplit(fresh_database)
    try:
        url = urlunsplit(parts._replace(netloc=f"{name}:chaff@{parts.hostname}:{parts.port}"))
        with pytest.raises(UserError, match="may not do what the migration does"):
            await migrate(DatabaseSettings(url=url))
    finally:
        async with engine.begin() as connection:
            await connection.execute(text(f"DROP ROLE {name}"))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
async def test_every_spelling_of_the_scheme_works(fresh_database, scheme):
    await check(DatabaseSettings(url=urlunsplit(urlsplit(fresh_database)._replace(scheme=scheme))))


def alembic(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The developers' own command, as alembic.ini sets it up."""
    kept = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    command = [Path(sys.executable).with_name("alembic"), "-c", ROOT / "alembic.ini", *arguments]
    return subprocess.run(
        command, env=kept | environment, cwd=ROOT / "tests", capture_output=True, text=True, timeout=60, check=False
    )


async def test_the_alembic_command_takes_the_database_from_the_settings(fresh_database, engine):
    """A password among its arguments could be read by everyone on the machine."""
    ended = await asyncio.to_thread(alembic, "upgrade", "head", DATABASE_URL=fresh_database)
    assert ended.returncode == 0, ended.stderr
    assert await is_current(engine)

    nowhere = await asyncio.to_thread(alembic, "current")
    assert nowhere.returncode == 1
    assert nowhere.stderr.startswith("DATABASE_URL is not set.")
