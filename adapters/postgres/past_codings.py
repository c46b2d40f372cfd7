"""Reads how records were coded before: the latest codings of thousands of them with one statement, within a bound."""

import asyncio
import logging
from collections.abc import Collection, Coroutine, Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.reading import answering
from domain.errors import UsageUnavailableError
from domain.operations.many.trend import KnownCode

PATIENCE_SECONDS = 5.0
MOST_RECORDS = 10_000
"""Of one statement; more records take several, under the same bound."""

_LEAVE_SECONDS = 1.0
"""For what is still under way in the end: its connection may be to a server that answers nobody."""

# One look into the index for each record: no plan reads the tenant's other codings. Of codings of one moment the one
# with the highest result id counts, as for the agreement.
_LATEST = text("""
    SELECT asked.record_id, latest.code_ids
    FROM unnest(CAST(:record_ids AS text[])) AS asked(record_id)
    CROSS JOIN LATERAL (
        SELECT code_ids
        FROM codings
        WHERE tenant_id = :tenant_id AND record_id = asked.record_id AND NOT abstained
        ORDER BY completed_at DESC, result_id DESC
        LIMIT 1
    ) AS latest
""")

# A statement that waits for a lock does not notice that whoever asked has gone. (Not a parameter of the connection:
# poolers between refuse those.)
_BOUND = text("SELECT set_config('statement_timeout', :milliseconds, true)")

logger = logging.getLogger(__name__)

Codes = dict[str, Sequence[KnownCode]]


class PostgresPastCodings:
    """Fulfils `domain.operations.many.trend.PastCodings` on the table `codings`, which knows no names of codes.

    Whoever asks is answered, or refused, within `patience` seconds: giving up a statement may itself wait for a server
    that does not answer, so it is left to itself. A failure is logged once, until it is over.
    """

    def __init__(self, engine: AsyncEngine, patience: float = PATIENCE_SECONDS) -> None:
        self._engine = engine
        self._patience = patience
        self._under_way: set[asyncio.Task[Codes]] = set()
        self._failing = False

    async def codes_of(self, tenant_id: str, record_ids: Collection[str]) -> Mapping[str, Sequence[KnownCode]]:
        """See `PastCodings`.

        Raises:
            UsageUnavailableError: the database cannot answer now, or not in time.
        """
        if not record_ids:
            return {}
        try:
            found = await self._in_time(self._read(tenant_id, list(dict.fromkeys(record_ids))))
        except UsageUnavailableError as error:
            self._tell(error)
            raise
        self._tell(None)
        return found

    async def aclose(self) -> None:
        """Give up what is under way."""
        for reading in self._under_way:
            reading.cancel()
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=_LEAVE_SECONDS)

    async def _in_time(self, work: Coroutine[Any, Any, Codes]) -> Codes:
        reading = asyncio.create_task(work)
        self._under_way.add(reading)
        reading.add_done_callback(self._over)
        try:
            await asyncio.wait({reading}, timeout=self._patience)
            if reading.done():
                return reading.result()
        finally:
            reading.cancel()
        raise UsageUnavailableError(f"The database did not answer within {self._patience:g} s.")

    async def _read(self, tenant_id: str, record_ids: Sequence[str]) -> Codes:
        found: Codes = {}
        async with answering(self._engine, self._patience) as connection:
            await connection.execute(_BOUND, {"milliseconds": str(max(1, int(self._patience * 1000)))})
            for start in range(0, len(record_ids), MOST_RECORDS):
                asked: dict[str, Any] = {
                    "tenant_id": tenant_id,
                    "record_ids": record_ids[start : start + MOST_RECORDS],
                }
                for row in await connection.execute(_LATEST, asked):
                    found[row.record_id] = [KnownCode(code_id) for code_id in row.code_ids]
        return found

    def _over(self, reading: asyncio.Task[Codes]) -> None:
        self._under_way.discard(reading)
        if not reading.cancelled():
            reading.exception()  # whoever asked has heard of it, or has gone

    def _tell(self, error: UsageUnavailableError | None) -> None:
        if error is not None and not self._failing:
            logger.warning(
                "Our own codings could not be read (%s). Until they can, analyses take codes from metadata only, and "
                "say so.",
                str(error).rstrip("."),
            )
        if error is None and self._failing:
            logger.info("Our own codings can be read again.")
        self._failing = error is not None
