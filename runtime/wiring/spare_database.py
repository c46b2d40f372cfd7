"""A database for a worker, which needs none and waits for none: what is wrong with it is a warning, and no more."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace

from adapters.postgres.engine import DatabaseSettings, Engine, create_engine
from adapters.postgres.fitness import ensure_usable
from adapters.postgres.rights import Rights
from domain.errors import FeedbackError, UserError
from runtime.settings import Settings
from runtime.wiring.parts import database_settings

_HOST_SECONDS = 10.0
"""As for the processes that need a database."""

_LEAVE_SECONDS = 2.0
"""A connection to a server that does not answer must not hold up the end of a worker."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def spare_engine(
    settings: Settings, rights: Rights, patience: float, without: str, *, max_overflow: int = 0
) -> AsyncIterator[Engine]:
    """One connection, and `max_overflow` more; whether the database can be used is found out meanwhile.

    Args:
        settings: this process's.
        rights: what it does there.
        patience: seconds for a connection, and for a statement.
        without: what happens while it cannot be used: the end of a sentence.
        max_overflow: further connections in a rush.

    Raises:
        UserError: the settings of the database cannot be understood.
    """
    chosen = replace(
        database_settings(settings),
        pool_size=1,
        max_overflow=max_overflow,
        connect_timeout_seconds=patience,
        command_timeout_seconds=patience,
    )
    engine = create_engine(chosen)
    looking = asyncio.create_task(_look(chosen, engine, rights, without))
    try:
        yield engine
    finally:
        looking.cancel()
        await for_a_while(looking)
        await for_a_while(engine.dispose())


async def _look(chosen: DatabaseSettings, engine: Engine, rights: Rights, without: str) -> None:
    try:
        await ensure_usable(chosen, engine, rights, host_seconds=_HOST_SECONDS)
    except UserError as error:
        logger.warning("%s Until that is mended, %s. %s", error.message, without, error.remedy)
    except FeedbackError as error:
        logger.warning("%s Until it can, %s.", error, without)


async def for_a_while(ending: Awaitable[None]) -> None:
    """Wait for something to end, but not for ever."""
    await asyncio.wait({asyncio.ensure_future(ending)}, timeout=_LEAVE_SECONDS)
