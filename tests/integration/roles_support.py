"""Users with the roles of our migrations, and what none of them may do."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.migrate import alembic_config
from adapters.postgres.rights import (
    KEEPING_KEYS,
    READING_AGREEMENT,
    READING_DEAD_LETTERS,
    READING_PAST_CODINGS,
    READING_PAUSES,
    READING_USAGE,
    ROLLING_USAGE,
    STORING_CALLS,
    STORING_CODINGS,
    STORING_DEAD_LETTERS,
    WATCHING_BUDGETS,
)
from adapters.postgres.tables import ROLLUPS
from tests.integration.tls_front import with_netloc

GIVEN = (
    {**READING_USAGE, **READING_AGREEMENT, **READING_DEAD_LETTERS},
    WATCHING_BUDGETS,
    {**STORING_CALLS, **STORING_CODINGS, **STORING_DEAD_LETTERS},
    KEEPING_KEYS,
    ROLLING_USAGE,
    {**READING_PAST_CODINGS, **READING_PAUSES},
)
ROLES = ("feedback_api", "feedback_budgets", "feedback_consumer", "feedback_keys", "feedback_roller", "feedback_worker")
WRITES = {
    "llm_calls": (
        "INSERT INTO llm_calls (tenant_id) VALUES ('t')",
        "UPDATE llm_calls SET cost_usd = 0",
        "DELETE FROM llm_calls",
        "TRUNCATE llm_calls",
        "ALTER TABLE llm_calls DROP COLUMN cost_usd",
        "DROP TABLE llm_calls",
        "DO 'BEGIN LOCK TABLE llm_calls IN ACCESS EXCLUSIVE MODE; END'",
    ),
    "rollups": (
        "INSERT INTO usage_marks (tenant_id, unit, first_day) VALUES ('t', 'day', '2026-11-20')",
        "UPDATE usage_marks SET tenant_id = 't'",
        "UPDATE usage_daily SET total = 0",
        "UPDATE usage_monthly SET total = 0",
        "UPDATE usage_weekly SET total = 0",
        "UPDATE usage_daily_totals SET total = 0",
        "DELETE FROM usage_marks",
        "DELETE FROM usage_daily",
        "DELETE FROM usage_monthly",
        f"TRUNCATE usage_marks, {', '.join(table.name for table in ROLLUPS)}",
        "SELECT ensure_llm_calls_month('2031-01-01')",
        "SELECT * FROM llm_calls_other",
        "DROP TABLE usage_daily",
        "ALTER TABLE llm_calls DISABLE TRIGGER mark_inserted",
        "DROP TRIGGER mark_inserted ON llm_calls",
        "DO 'BEGIN LOCK TABLE usage_marks IN ACCESS EXCLUSIVE MODE; END'",
    ),
    "codings": (
        "INSERT INTO codings (tenant_id) VALUES ('t')",
        "INSERT INTO corrections (tenant_id) VALUES ('t')",
        "UPDATE codings SET code_ids = '{}'",
        "UPDATE corrections SET code_ids = '{}'",
        "DELETE FROM codings",
        "DELETE FROM corrections",
        "TRUNCATE codings, corrections",
        "DROP TABLE corrections",
    ),
    "dead_letters": (
        "INSERT INTO dead_letters (tenant_id) VALUES ('t')",
        "UPDATE dead_letters SET tenant_id = 't'",
        "DELETE FROM dead_letters",
        "TRUNCATE dead_letters",
        "DROP TABLE dead_letters",
        "DROP POLICY of_the_tenant ON dead_letters",
        "ALTER TABLE dead_letters DISABLE ROW LEVEL SECURITY",
    ),
    "api_keys": (
        "INSERT INTO api_keys (prefix, sha256, tenant_id, superuser) VALUES ('p', '', 't', true)",
        "UPDATE api_keys SET superuser = true",
        "UPDATE api_keys SET revoked_at = NULL",
        "DELETE FROM api_keys",
        "TRUNCATE api_keys",
        "DROP TABLE api_keys",
    ),
    "the rest": (
        "UPDATE alembic_version SET version_num = '0'",
        "CREATE TABLE mine (n int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "GRANT feedback_keys TO CURRENT_USER",
        "COPY llm_calls TO PROGRAM 'true'",
    ),
}


@asynccontextmanager
async def login(owner: AsyncEngine, url: str, role: str | None, options: str = "") -> AsyncIterator[DatabaseSettings]:
    """A user who may log in and is a member of the role, as docs/security.md makes one."""
    name, password = f"u_{secrets.token_hex(4)}", secrets.token_hex(16)
    async with owner.begin() as connection:
        await connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' {options}"))
        if role:
            await connection.execute(text(f"GRANT {role} TO {name}"))
    try:
        yield DatabaseSettings(url=with_netloc(url, user=name, password=password))
    finally:
        async with owner.begin() as connection:
            await connection.execute(text(f"DROP OWNED BY {name} CASCADE"))
            await connection.execute(text(f"DROP ROLE {name}"))


@asynccontextmanager
async def engine_of(settings: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings)
    try:
        yield engine
    finally:
        await engine.dispose()


async def assert_refused(settings: DatabaseSettings, *statements: str) -> None:
    connection = await asyncpg.connect(settings.url)
    try:
        for statement in statements:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def roles_of(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT rolname FROM pg_roles WHERE rolname LIKE 'feedback\\_%'"))
        return set(found.scalars())


def newest() -> str | None:
    """The revision of this release."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def downgrade_to(revision: str):
    def work(connection):
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)

    return work
