"""Run by Alembic, for `feedback migrate` (which hands over its connection) and for the `alembic` command.

The command takes the database from the project's settings, as every other command does: a password in a command's
arguments can be read by everyone on the machine.
"""

import asyncio
from dataclasses import replace

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.pool import NullPool

from adapters.postgres.engine import create_engine
from adapters.postgres.tables import metadata
from domain.errors import UserError


def run_on(connection: Connection) -> None:
    """Run the steps on this connection."""
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_run() -> None:
    """Run the steps on the database that the settings name."""
    # Here: `feedback migrate` has its settings already.
    from runtime.settings import load_settings
    from runtime.wiring import database_settings

    try:
        database = database_settings(load_settings())
    except UserError as error:
        raise SystemExit(f"{error.message} {error.remedy}") from None
    engine = create_engine(replace(database, command_timeout_seconds=None), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run_on)
        await connection.commit()
    await engine.dispose()


if context.is_offline_mode():
    options = {"paramstyle": "named"}  # else each % of a statement is told twice
    context.configure(dialect_name="postgresql", dialect_opts=options, target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
elif (given := context.config.attributes.get("connection")) is not None:
    run_on(given)
else:
    asyncio.run(connect_and_run())
