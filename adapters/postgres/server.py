"""A server as a whole, for those who run one: whether it serves, and which databases it has."""

import asyncpg


async def answers(url: str) -> bool:
    """Whether a server takes connections and queries.

    Raises:
        OSError, TimeoutError: nobody listens there, or nobody answers.
    """
    try:
        # Without TLS, which asyncpg would otherwise look for in the home directory.
        connection = await asyncpg.connect(url, timeout=5, ssl=False)
    except (asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
        return False
    try:
        return bool(await connection.fetchval("SELECT 1") == 1)
    finally:
        await connection.close()


async def ensure_database(url: str, name: str) -> None:
    """Make a database where it is not there yet.

    Args:
        url: another database of the same server, of a user who may make one.
        name: letters, digits and underscores.
    """
    connection = await asyncpg.connect(url, ssl=False)
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
