"""Which LLM calls have arrived in the table: for those who wait for their own."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.reading import answering
from adapters.postgres.tables import llm_calls

_FOUND = select(llm_calls.c.call_id).where(llm_calls.c.call_id == any_(bindparam("calls", type_=ARRAY(PG_UUID))))


async def find_stored(engine: AsyncEngine, calls: Sequence[UUID]) -> set[UUID]:
    """Those of the calls that have a row.

    Raises:
        UsageUnavailableError: the database cannot answer now.
    """
    if not calls:
        return set()
    async with answering(engine) as connection:
        return set((await connection.execute(_FOUND, {"calls": list(calls)})).scalars())
