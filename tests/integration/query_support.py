"""A running API over two months of calls, for questions about usage."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.usage.roller import PostgresUsageRoller
from runtime.embedded import ports
from schemas.llm_calls import LLMCall
from tests.integration.system_support import feedback, until_ready
from tests.usage_support import llm_call, migrated_database

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
PATH = "/v1/usage/query"
COMMAND = "an operation with a long name, and =formula"


def calls() -> list[LLMCall]:
    """Sixty days of calls, 13 hours apart, of two tenants: some failed, some without a price."""
    found = []
    for number in range(110):
        at = OCTOBER + timedelta(hours=13 * number, minutes=7)
        failed, unpriced = number % 7 == 0, number % 5 == 0
        found.append(
            llm_call(
                tenant_id=("alder", "birch")[number % 2],
                operation=("assign_codes", "summarize", COMMAND)[number % 3],
                model=None if failed else ("=gpt", "llama")[number % 2],
                provider=("openai", "local")[number % 2],
                invocation_started_at=at,
                timestamp=at,
                call_duration_ms=50.0 + 37.5 * number,
                input_tokens=100 + number,
                output_tokens=None if failed else number,
                cost_usd=None if unpriced else Decimal(number) / 1000,
                status="error" if failed else "ok",
                error_class="timeout" if failed else None,
                prompt_version=(None, "assign_codes.v1")[number % 2],
            )
        )
    return found


@dataclass
class World:
    url: str
    client: httpx.AsyncClient
    engine: AsyncEngine
    tenant: str
    superuser: str

    async def ask(self, path: str = PATH, key: str | None = None, **parameters: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self.superuser}"}
        answer = await self.client.get(path, params=NOVEMBER | parameters, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer


@asynccontextmanager
async def a_world(postgres_url: str, directory: Path) -> AsyncIterator[World]:
    """An API over these calls, most of them rolled up."""
    async with migrated_database(postgres_url) as (settings, engine):
        sink, roller = PostgresLLMCallSink(engine), PostgresUsageRoller(engine)
        stored = calls()
        await sink.write(stored[:90])
        while (rolled := await roller.roll()) and (rolled.days or rolled.weeks or rolled.months):
            pass
        await sink.write(stored[90:])  # these are read from raw rows
        keys, port = PostgresKeyStore(engine), ports.choose(set())
        url = f"http://127.0.0.1:{port}"
        async with (
            feedback("api", cwd=directory, DATABASE_URL=settings.url, API_PORT=port),
            httpx.AsyncClient(base_url=url, timeout=60) as client,
        ):
            await until_ready(url)
            tenant = (await keys.create("alder")).text
            superuser = (await keys.create("headquarters", superuser=True)).text
            yield World(url, client, engine, tenant, superuser)
