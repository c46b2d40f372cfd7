"""Run by Alembic, for `feedback migrate` (which hands over its connection) and for the `alembic` command.

The command takes the database from its own arguments: `alembic -x url=postgresql://... upgrade head`.
"""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.pool import NullPool

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.tables import metadata


def run_on(connection: Connection) -> None:
    """Run the steps on this connection."""
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_run() -> None:
    """Run the steps on the database that the command's arguments name."""
    url = context.get_x_argument(as_dictionary=True).get("url")
    if not isinstance(url, str):
        raise SystemExit("Name the database: alembic -x url=postgresql://user:password@host:5432/name ...")
    engine = create_engine(DatabaseSettings(url=url, command_timeout_seconds=None), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run_on)
        await connection.commit()
    await engine.dispose()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
elif (given := context.config.attributes.get("connection")) is not None:
    run_on(given)
else:
    asyncio.run(connect_and_run())
