"""What a worker reads of our own codings, where it is given a database: it needs none, and waits for none."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from adapters.postgres.past_codings import PostgresPastCodings
from adapters.postgres.rights import READING_PAST_CODINGS
from domain.operations.many.trend import PastCodings
from runtime.settings import Settings
from runtime.wiring.parts import database_url
from runtime.wiring.spare_database import spare_engine

_WITHOUT = "analyses take codes from metadata only, and say so"


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
    # Requests over many records are rare, and there may be many workers.
    async with (
        spare_engine(settings, READING_PAST_CODINGS, patience, _WITHOUT, max_overflow=4) as engine,
        aclosing(PostgresPastCodings(engine, patience)) as codings,
    ):
        yield codings
