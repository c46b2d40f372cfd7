"""What the tests of usage share: builders of LLM calls, ports in memory, a database with our schema."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.migrate import migrate
from adapters.postgres.tables import ROLLUPS
from domain.errors import SinkUnavailableError
from domain.keys import KeyMaterial, StoredKey, check_tenant, new_key
from domain.ports import BatchOutcome
from schemas.llm_calls import LLMCall
from tests import services

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def llm_call(**fields: Any) -> LLMCall:
    """An ordinary call, with what the test says otherwise."""
    ordinary: dict[str, Any] = {
        "call_id": uuid4(),
        "tenant_id": "red-cross",
        "operation": "assign_codes",
        "invocation_id": uuid4(),
        "invocation_started_at": NOON,
        "timestamp": NOON + timedelta(milliseconds=5),
        "call_duration_ms": 120.5,
        "provider": "openai",
        "request_model": "gpt-x",
        "model": "gpt-x-2026",
        "input_tokens": 900,
        "output_tokens": 60,
        "cost_usd": Decimal("0.000125"),
        "cost_source": "price list",
        "status": "ok",
        "attempt": 1,
        "http_status": 200,
        "prompt_version": "assign_codes.v1",
        "record_id": "record-1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    return LLMCall(**ordinary | fields)


def many_calls(count: int, **fields: Any) -> list[LLMCall]:
    """That many different calls."""
    return [llm_call(call_duration_ms=random.uniform(1, 5000), **fields) for _ in range(count)]


class MemorySink:
    """LLMCallSink in memory; refuses NUL characters as PostgreSQL does, and is away when told."""

    def __init__(self) -> None:
        self.rows: dict[UUID, LLMCall] = {}
        self.failures = 0

    async def write(self, batch: Sequence[LLMCall]) -> BatchOutcome:
        if self.failures:
            self.failures -= 1
            raise SinkUnavailableError("The database cannot take LLM calls now.")
        before = len(self.rows)
        refused = tuple(
            position
            for position, call in enumerate(batch)
            if "\x00" in "".join(filter(None, (call.provider, call.model, call.cost_source)))
        )
        for position, call in enumerate(batch):
            if position not in refused:
                self.rows.setdefault(call.call_id, call)
        return BatchOutcome(len(self.rows) - before, refused)


class MemoryKeys:
    """The key store in memory."""

    def __init__(self) -> None:
        self._keys: dict[str, StoredKey] = {}

    async def create(self, tenant_id: str, *, superuser: bool = False, label: str | None = None) -> KeyMaterial:
        key = new_key()
        self._keys[key.prefix] = StoredKey(
            key.prefix, key.sha256, check_tenant(tenant_id), superuser, label, datetime.now(UTC)
        )
        return key

    async def list(self) -> list[StoredKey]:
        return list(self._keys.values())

    async def revoke(self, prefix: str) -> bool:
        key = self._keys.get(prefix)
        if key is not None and key.revoked_at is None:
            values = {name: getattr(key, name) for name in StoredKey.__slots__}
            self._keys[prefix] = StoredKey(**values | {"revoked_at": datetime.now(UTC)})
        return key is not None

    async def find(self, prefix: str) -> StoredKey | None:
        return self._keys.get(prefix)


@asynccontextmanager
async def migrated_database(server_url: str) -> AsyncIterator[tuple[DatabaseSettings, AsyncEngine]]:
    """A new database with our schema, and an engine on it."""
    async with services.new_database(server_url) as url:
        settings = DatabaseSettings(url=url)
        await migrate(settings)
        engine = create_engine(settings)
        try:
            yield settings, engine
        finally:
            await engine.dispose()


async def forget_calls(engine: AsyncEngine) -> None:
    """Empty `llm_calls` and all that is derived from it: truncating asks no trigger to mark anything."""
    async with engine.begin() as connection:
        await connection.execute(text(f"TRUNCATE llm_calls, usage_marks, {', '.join(table.name for table in ROLLUPS)}"))


@asynccontextmanager
async def mortal_postgres(mode: str, directory: Path) -> AsyncIterator[services.Postgres]:
    """A database server of the test's own, to be killed; never the environment's."""
    mode = services.CONTAINERS if mode == services.CONTAINERS else services.EMBEDDED
    async with services.postgres_service(mode, directory) as server:
        yield server
