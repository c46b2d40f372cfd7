"""The usage of a job, in the words of the read API."""

from datetime import datetime
from typing import Any

from adapters.postgres.usage import PostgresUsageReader
from domain.usage import Window
from runtime import wiring
from runtime.settings import Settings


async def usage_from_database(settings: Settings, start: datetime, end: datetime) -> dict[str, Any]:
    """What `/v1/usage/all/by-tenant` and `/v1/usage/all/by-operation` would say of the window [start, end)."""
    window = Window(start, end)
    async with wiring.database_engine(settings) as engine:
        reader = PostgresUsageReader(engine)
        by_tenant, by_operation = await reader.by_tenant(window), await reader.by_operation(window)
    return {
        "from": start.isoformat(),
        "to": end.isoformat(),
        "by_tenant": [entry.model_dump(mode="json", by_alias=True) for entry in by_tenant],
        "by_operation": [entry.model_dump(mode="json", by_alias=True) for entry in by_operation],
    }
