"""A connection for one question: had quickly, or the asker is told that the database is not there. Or for a job."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.database_errors import is_databases_fault, summary
from domain.errors import UsageUnavailableError

CONNECTION_SECONDS = 5.0
"""For a place in the pool, a new connection where one is needed, and the server's sign of life on it."""


@asynccontextmanager
async def answering(engine: AsyncEngine, patience: float = CONNECTION_SECONDS) -> AsyncIterator[AsyncConnection]:
    """A connection to a server that has just answered; whatever the database does wrong becomes one error.

    Raises:
        UsageUnavailableError: no connection within `patience` seconds, or the statement failed or took too long.
    """
    try:
        async with asyncio.timeout(patience):
            connection = await engine.connect()
        try:
            yield connection
        finally:
            await connection.close()
    except IntegrityError:
        raise
    except Exception as error:
        if is_databases_fault(error):
            raise UsageUnavailableError(f"The database did not answer ({summary(error)}).") from error
        raise


@asynccontextmanager
async def working(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection without a limit on time, for what nobody awaits over HTTP.

    Raises:
        UsageUnavailableError: the database did not answer, or failed.
    """
    try:
        async with engine.connect() as connection:
            yield connection
    except (SQLAlchemyError, OSError) as error:
        if is_databases_fault(error):
            raise UsageUnavailableError(f"The database did not answer ({summary(error)}).") from error
        raise
