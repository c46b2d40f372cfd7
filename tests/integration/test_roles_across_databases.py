"""Roles belong to a server, grants to a database: how migrations make, share and leave them on a real PostgreSQL."""

import asyncio
import logging
import re

import asyncpg
import pytest
from sqlalchemy import text

from adapters.postgres.engine import DatabaseSettings
from adapters.postgres.fitness import ensure_usable
from adapters.postgres.migrate import migrate
from adapters.postgres.rights import READING_AGREEMENT, READING_USAGE, STORING_CALLS
from domain.errors import UserError
from tests.integration.roles_support import GIVEN, ROLES, downgrade_to, engine_of, login, newest, roles_of
from tests.integration.system_support import eventually
from tests.services import new_database
from tests.usage_support import migrated_database, mortal_postgres


async def test_databases_of_one_server_share_the_roles(postgres):
    async with (
        migrated_database(postgres.url) as (_, first),
        migrated_database(postgres.url) as (settings, second),
        login(second, settings.url or "", "feedback_consumer") as member,
    ):
        async with first.begin() as connection:
            await connection.run_sync(downgrade_to("0001"))
        assert await roles_of(first) >= set(ROLES)  # the other database grants them something still
        async with engine_of(member) as consumer:
            await ensure_usable(member, consumer, STORING_CALLS)
        async with second.begin() as connection:
            await connection.run_sync(downgrade_to("0001"))
        assert "feedback_consumer" in await roles_of(second)  # it has a member
        async with engine_of(member) as consumer:
            with pytest.raises(UserError, match=r"does not have the schema|may not read"):
                await ensure_usable(member, consumer, STORING_CALLS)


async def test_roles_that_another_migration_makes_at_the_same_moment_are_found(fresh_server):
    async with new_database(fresh_server.url) as url, engine_of(DatabaseSettings(url=url)) as engine:
        async with engine.begin() as connection:  # nor need the tables be in the schema that everybody may use
            await connection.execute(text('CREATE SCHEMA "of our own"'))
            await connection.execute(text(f'ALTER DATABASE {url.rpartition("/")[2]} SET search_path = "of our own"'))
        await engine.dispose()
        other = await asyncpg.connect(fresh_server.url)
        try:
            transaction = other.transaction()
            await transaction.start()
            await other.execute("CREATE ROLE feedback_api NOLOGIN")
            migrating = asyncio.create_task(migrate(DatabaseSettings(url=url)))
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            await eventually(lambda: _is_one(other, waiting))
            await transaction.commit()
            assert (await migrating).after == newest()
        finally:
            await other.close()
        async with login(engine, url, "feedback_api") as settings, engine_of(settings) as reader:
            await ensure_usable(settings, reader, READING_USAGE)
        async with engine.begin() as connection:
            await connection.run_sync(downgrade_to("base"))
        assert await roles_of(engine) == set()  # nobody else needs them


async def _is_one(connection, query: str) -> bool:
    return await connection.fetchval(query) == 1


async def test_a_user_who_may_not_create_roles_migrates_and_is_told_what_an_administrator_runs(fresh_server, caplog):
    async with (
        new_database(fresh_server.url) as url,
        engine_of(DatabaseSettings(url=url)) as admin,
        login(admin, url, None) as owner,
    ):
        name = re.search("//(.*?):", owner.url)[1]
        async with admin.begin() as connection:
            await connection.execute(text(f"GRANT ALL ON SCHEMA public TO {name}"))
        with caplog.at_level(logging.WARNING):
            report = await migrate(owner)
        assert report.after == newest()
        assert await roles_of(admin) == set()
        notices = [record.getMessage() for record in caplog.records if record.name == "migrations"]
        assert len(notices) >= 5
        assert "\n" not in "".join(notices)
        async with engine_of(owner) as engine:
            await ensure_usable(owner, engine, {**STORING_CALLS, **READING_USAGE, **READING_AGREEMENT})
        connection = await asyncpg.connect(url)
        try:
            for notice in notices:
                await connection.execute(re.search("in this database.*?: (.*)", notice)[1])
        finally:
            await connection.close()
        for role, rights in zip(ROLES, GIVEN, strict=True):
            async with login(admin, url, role) as settings, engine_of(settings) as engine:
                await ensure_usable(settings, engine, rights)
        # Once they are there, the tables' owner grants them in the next database without an administrator.
        async with engine_of(owner) as engine, engine.begin() as connection:
            await connection.run_sync(downgrade_to("0001"))
        assert await roles_of(admin) == set(ROLES)
        caplog.clear()
        await migrate(owner)
        assert not [record for record in caplog.records if record.name == "migrations"]


@pytest.fixture
async def fresh_server(services_mode, tmp_path):
    """A server of its own: nobody has made the roles there."""
    async with mortal_postgres(services_mode, tmp_path) as server:
        yield server
