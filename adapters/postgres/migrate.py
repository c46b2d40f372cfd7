"""Brings the database to the schema of this release, however many of us start at once."""

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import NullPool

from adapters.postgres.engine import DatabaseSettings, check, create_engine
from adapters.postgres.reading import answering
from adapters.postgres.tokens import TokenProvider
from domain.errors import UserError

LOCK = 0x6665_6564_6261_636B
"""The advisory lock's number: the word "feedback"."""
_NO_RIGHTS = "42501"
"""PostgreSQL's insufficient_privilege."""


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """Which revision the database was at and which it is at now; None = an empty database."""

    before: str | None
    after: str | None

    @property
    def changed(self) -> bool:
        """Whether there was anything to do."""
        return self.before != self.after


def alembic_config() -> Config:
    """Alembic's settings without a file: the steps lie where the package `migrations` is installed.

    Alembic loads them by that name. We do not import them: they import us.
    """
    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


async def migrate(
    settings: DatabaseSettings, tokens: TokenProvider | None = None, revision: str = "head"
) -> MigrationReport:
    """Run the steps that are missing up to `revision`, one process at a time; the others wait and find it done.

    Raises:
        UserError: the database cannot be used, a newer release has been at it, its user may not do it, or what somebody
            made in it is in the way.
    """
    await check(settings, tokens)
    engine = create_engine(replace(settings, command_timeout_seconds=None), tokens, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
            await connection.commit()
            try:
                return await _run(connection, revision)
            finally:
                await _unlock(connection)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _NO_RIGHTS:
            raise
        raise UserError(
            "This database user may not do what the migration does.",
            "Migrate as the owner of the tables and of the schema (docs/security.md has the roles).",
        ) from None  # its text holds the statement
    finally:
        await engine.dispose()


async def is_current(engine: AsyncEngine) -> bool:
    """Whether the database has the schema of this release, or of a newer one: steps only add, while releases overlap.

    Raises:
        UsageUnavailableError: the database does not answer.
    """
    async with answering(engine) as connection:
        revision = await connection.run_sync(_revision)
    return revision is not None and revision not in _older()


@cache
def _older() -> frozenset[str]:
    """Every revision before this release's own."""
    scripts = ScriptDirectory.from_config(alembic_config())
    return frozenset(step.revision for step in scripts.walk_revisions()) - set(scripts.get_heads())


async def _run(connection: AsyncConnection, revision: str) -> MigrationReport:
    before = await connection.run_sync(_revision)
    await connection.commit()
    try:
        await connection.run_sync(_upgrade, revision)
    except CommandError as error:
        raise UserError(
            f"The database is at revision {before}, from which this release knows no way to {revision}.",
            "Install the release that last migrated it, or a newer one.",
        ) from error
    await connection.commit()
    after = await connection.run_sync(_revision)
    await connection.commit()
    return MigrationReport(before, after)


async def _unlock(connection: AsyncConnection) -> None:
    # Closing the connection frees the lock as well; this frees it at once, also behind a connection pooler.
    if not connection.closed and not connection.invalidated:
        await connection.rollback()
        await connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
        await connection.commit()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection, revision: str) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
