"""What a worker reads of our own codings, where it is given a database: it needs none, and waits for none."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from adapters.postgres.engine import DatabaseSettings, Engine, create_engine
from adapters.postgres.fitness import ensure_usable
from adapters.postgres.past_codings import PostgresPastCodings
from adapters.postgres.rights import READING_PAST_CODINGS
from domain.errors import FeedbackError, UserError
from domain.operations.many.trend import PastCodings
from runtime.settings import Settings
from runtime.wiring.parts import database_settings, database_url

_HOST_SECONDS = 10.0
"""As for the processes that need a database."""

_LEAVE_SECONDS = 2.0
"""A connection to a server that does not answer must not hold up the end of a worker."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def past_codings(settings: Settings) -> AsyncIterator[PastCodings | None]:
    """Our own codings, or None where no database is set, or PAST_CODINGS_WAIT_SECONDS is 0.

    Whether the database can be used is found out meanwhile, and what is wrong with it a warning: results that do not
    need it come as without it.

    Raises:
        UserError: the settings of the database cannot be understood.
    """
    patience = settings.past_codings_wait_seconds
    if database_url(settings) is None or not patience:
        yield None
        return
    chosen = replace(
        database_settings(settings),
        pool_size=1,  # requests over many records are rare, and there may be many workers
        max_overflow=4,
        connect_timeout_seconds=patience,
        command_timeout_seconds=patience,
    )
    engine = create_engine(chosen)
    looking = asyncio.create_task(_look(chosen, engine))
    try:
        async with aclosing(PostgresPastCodings(engine, patience)) as codings:
            yield codings
    finally:
        looking.cancel()
        await _for_a_while(looking)
        await _for_a_while(engine.dispose())


async def _look(chosen: DatabaseSettings, engine: Engine) -> None:
    try:
        await ensure_usable(chosen, engine, READING_PAST_CODINGS, host_seconds=_HOST_SECONDS)
    except UserError as error:
        logger.warning(
            "%s Until that is mended, analyses take codes from metadata only, and say so. %s",
            error.message,
            error.remedy,
        )
    except FeedbackError as error:
        logger.warning("%s Until it can, analyses take codes from metadata only, and say so.", error)


async def _for_a_while(ending: Awaitable[None]) -> None:
    await asyncio.wait({asyncio.ensure_future(ending)}, timeout=_LEAVE_SECONDS)
