"""Keeps in PostgreSQL whose LLM work is paused by a budget; and reads it, as workers do, within a bound."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import Uuid

from adapters.postgres.database_errors import is_databases_fault, summary
from adapters.postgres.reading import answering
from domain.delivery.pauses import Paused
from domain.errors import SinkUnavailableError, UsageUnavailableError
from domain.usage.pausing import Kept, Pause

# One that ended, and whose inputs were not sent again yet, may begin anew.
_BEGIN = text("""
    INSERT INTO budget_pauses (pause_id, tenant_id, operation, until, limit_usd)
    VALUES (:pause_id, :tenant_id, :operation, :until, :limit_usd)
    ON CONFLICT (pause_id) DO UPDATE SET ended_at = NULL, sent_again_at = NULL
    WHERE budget_pauses.ended_at IS NOT NULL
""")
_IDS = bindparam("ids", type_=ARRAY(Uuid))
_END = text("""
    UPDATE budget_pauses SET ended_at = :now WHERE ended_at IS NULL AND pause_id <> ALL(:ids)
""").bindparams(_IDS)
_FORGET = text("""
    DELETE FROM budget_pauses WHERE pause_id = ANY(:ids) AND ended_at < :ended_before AND sent_again_at IS NOT NULL
""").bindparams(_IDS)
_HELD_BACK = text("""
    UPDATE budget_pauses AS other SET inputs_since = over.since
    FROM (
        SELECT tenant_id, min(inputs_since) AS since FROM budget_pauses WHERE pause_id = ANY(:ids) GROUP BY tenant_id
    ) AS over
    WHERE other.tenant_id = over.tenant_id AND other.pause_id <> ALL(:ids) AND other.inputs_since > over.since
""").bindparams(_IDS)
_SENT = text("""
    UPDATE budget_pauses SET sent_again_at = :now WHERE pause_id = ANY(:ids) AND ended_at < :ended_before
""").bindparams(_IDS)
_FIELDS = "pause_id, tenant_id, operation, until, limit_usd, inputs_since"
_LASTING = text(f"SELECT {_FIELDS} FROM budget_pauses WHERE ended_at IS NULL")  # noqa: S608 - ours
_OVER = text(f"""
    SELECT {_FIELDS} FROM budget_pauses
    WHERE ended_at < :ended_before AND (sent_again_at IS NULL OR sent_again_at < :sent_before)
    ORDER BY ended_at, pause_id
""")  # noqa: S608 - as above
# Whoever is gone without a word does not keep others from it for ever.
_ALONE = text(
    "SELECT pg_try_advisory_xact_lock(:lock) "
    "FROM set_config('idle_in_transaction_session_timeout', '1h', true) AS bounded"
)
_LOCK = int.from_bytes(b"sendback")
"""The advisory lock of whoever sends inputs again."""

# By the server's clock: a period ends for workers also while nobody keeps the table.
_PAUSED = text("SELECT DISTINCT tenant_id, operation FROM budget_pauses WHERE ended_at IS NULL AND until > now()")


class PostgresPauseBook:
    """Fulfils `domain.usage.pausing.PauseBook` on the table `budget_pauses`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """See the port: a lock of PostgreSQL's, for as long as the block, and the connection, last.

        Raises:
            UsageUnavailableError: the database cannot tell now.
        """
        async with answering(self._engine) as connection:
            yield bool((await connection.execute(_ALONE, {"lock": _LOCK})).scalar_one())

    async def keep(self, pauses: Sequence[Pause], now: datetime) -> Kept:
        """See the port.

        Raises:
            SinkUnavailableError: the database cannot take it now.
        """
        async with self._writing() as connection:
            ended = await connection.execute(_END, {"ids": [one.pause_id for one in pauses], "now": now})
            there = {row.pause_id for row in await connection.execute(_LASTING)}
            begun = 0
            for one in pauses:
                if one.pause_id in there:
                    continue
                values = {
                    "pause_id": one.pause_id,
                    "tenant_id": one.tenant_id,
                    "operation": one.operation,
                    "until": one.until,
                    "limit_usd": one.limit_usd,
                }
                begun += (await connection.execute(_BEGIN, values)).rowcount
        return Kept(begun, ended.rowcount)

    async def lasting(self) -> Sequence[Pause]:
        """See the port.

        Raises:
            UsageUnavailableError: the database cannot tell now.
        """
        async with answering(self._engine) as connection:
            return [_pause(row) for row in await connection.execute(_LASTING)]

    async def over(self, ended_before: datetime, sent_before: datetime) -> Sequence[Pause]:
        """See the port.

        Raises:
            UsageUnavailableError: the database cannot tell now.
        """
        async with answering(self._engine) as connection:
            asked = {"ended_before": ended_before, "sent_before": sent_before}
            return [_pause(row) for row in await connection.execute(_OVER, asked)]

    async def sent(self, pauses: Sequence[Pause], ended_before: datetime, now: datetime) -> None:
        """See the port.

        Raises:
            SinkUnavailableError: the database cannot take it now.
        """
        meant = {"ids": [one.pause_id for one in pauses], "ended_before": ended_before}
        async with self._writing() as connection:
            await connection.execute(_HELD_BACK, {"ids": meant["ids"]})
            await connection.execute(_FORGET, meant)
            await connection.execute(_SENT, {**meant, "now": now})

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except Exception as error:
            if is_databases_fault(error):
                raise SinkUnavailableError(f"The database cannot take who is paused now ({summary(error)}).") from error
            raise


def _pause(row: Row[tuple[object, ...]]) -> Pause:
    return Pause(row.pause_id, row.tenant_id, row.operation, row.until, row.limit_usd, row.inputs_since)


class PostgresPauses:
    """Fulfils `domain.delivery.pauses.PausesSource` on the same table; nobody waits longer than `patience` seconds."""

    def __init__(self, engine: AsyncEngine, patience: float) -> None:
        self._engine = engine
        self._patience = patience

    async def paused(self) -> Collection[Paused]:
        """See the port.

        Raises:
            UsageUnavailableError: the database cannot tell now, or not in time.
        """
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait({reading}, timeout=self._patience)
            if reading.done():
                return reading.result()
        finally:
            reading.cancel()  # which may itself wait for a server that does not answer
            reading.add_done_callback(_heard)
        raise UsageUnavailableError(f"The database did not answer within {self._patience:g} s.")

    async def _read(self) -> Collection[Paused]:
        async with answering(self._engine, self._patience) as connection:
            return {(row.tenant_id, row.operation) for row in await connection.execute(_PAUSED)}


def _heard(reading: asyncio.Task[Collection[Paused]]) -> None:
    if not reading.cancelled():
        reading.exception()
