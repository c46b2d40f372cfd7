"""Remembers in PostgreSQL which thresholds of budgets were told of, and what the webhook has taken."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.database_errors import is_databases_fault, summary
from adapters.postgres.reading import answering
from domain.errors import SinkUnavailableError
from domain.usage.alerting import Owed
from schemas.budgets import BudgetThresholdCrossed

_TOLD = text("SELECT alert_id FROM budget_alerts WHERE period_end > :ending_after")
_OWED = text("""
    SELECT alert_id, event FROM budget_alerts WHERE period_end > :ending_after AND webhook_at IS NULL
    ORDER BY published_at, alert_id
""")
_REMEMBER = text("""
    INSERT INTO budget_alerts (alert_id, tenant_id, period_end, event)
    VALUES (:alert_id, :tenant_id, :period_end, :event) ON CONFLICT (alert_id) DO NOTHING
""")
_TAKEN = text("UPDATE budget_alerts SET webhook_at = now() WHERE alert_id = :alert_id AND webhook_at IS NULL")


class PostgresAlertBook:
    """Fulfils `domain.usage.alerting.AlertBook` on the table `budget_alerts`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def told(self, ending_after: datetime) -> AbstractSet[UUID]:
        """See the port.

        Raises:
            UsageUnavailableError: the database cannot tell now.
        """
        async with answering(self._engine) as connection:
            return frozenset((await connection.execute(_TOLD, {"ending_after": ending_after})).scalars())

    async def owed(self, ending_after: datetime) -> Sequence[Owed]:
        """See the port.

        Raises:
            UsageUnavailableError: the database cannot tell now.
        """
        async with answering(self._engine) as connection:
            rows = (await connection.execute(_OWED, {"ending_after": ending_after})).all()
        return [Owed(row.alert_id, row.event.encode()) for row in rows]

    async def remember(self, alert: BudgetThresholdCrossed) -> None:
        """See the port.

        Raises:
            SinkUnavailableError: the database cannot take it now.
        """
        values = {
            "alert_id": alert.alert_id,
            "tenant_id": alert.tenant_id,
            "period_end": alert.period_end,
            "event": alert.to_bytes().decode(),
        }
        await self._write(_REMEMBER, values)

    async def taken(self, alert_id: UUID) -> None:
        """See the port.

        Raises:
            SinkUnavailableError: the database cannot take it now.
        """
        await self._write(_TAKEN, {"alert_id": alert_id})

    async def _write(self, statement: TextClause, values: Mapping[str, Any]) -> None:
        try:
            async with self._engine.begin() as connection:
                await connection.execute(statement, values)
        except Exception as error:
            if is_databases_fault(error):
                raise SinkUnavailableError(f"The database cannot take budget alerts now ({summary(error)}).") from error
            raise
