"""Whose LLM work a worker must leave undone for a budget, where it is given a database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.postgres.budget_pauses import PostgresPauses
from adapters.postgres.rights import READING_PAUSES
from domain.delivery.pauses import NOBODY, Pauses, WatchedPauses
from runtime.settings import Settings
from runtime.wiring.parts import database_url
from runtime.wiring.spare_database import for_a_while, spare_engine

_PATIENCE_SECONDS = 5.0
_WITHOUT = "nobody's LLM work is paused for a budget"


@asynccontextmanager
async def watched_pauses(settings: Settings) -> AsyncIterator[Pauses]:
    """Looked at once before the block begins, if the database answers, and then again and again beside it.

    Nobody is ever paused where no database is set.

    Raises:
        UserError: the settings of the database cannot be understood.
    """
    if database_url(settings) is None:
        yield NOBODY
        return
    async with spare_engine(settings, READING_PAUSES, _PATIENCE_SECONDS, _WITHOUT) as engine:
        pauses = WatchedPauses(PostgresPauses(engine, _PATIENCE_SECONDS), settings.budget_pause_seconds)
        await pauses.look()
        watching = asyncio.create_task(pauses.run())
        try:
            yield pauses
        finally:
            watching.cancel()
            await for_a_while(watching)
