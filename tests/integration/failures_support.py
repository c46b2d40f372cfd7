"""What the tests of failures share: an API whose database knows tenants apart, and invocations to store."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import is_current
from adapters.postgres.usage.failures import PostgresFailureAnswers
from adapters.postgres.usage.reader import PostgresUsageAnswers
from api.app import create_app
from schemas.llm_calls import LLMCall
from tests.integration.roles_support import engine_of, login
from tests.usage_support import forget_calls, llm_call, migrated_database

PATH = "/v1/usage/failures"
DAY = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}


@dataclass
class World:
    """The API on a database as the role feedback_api sees it, and its keys."""

    owner: AsyncEngine
    engine: AsyncEngine
    client: httpx.AsyncClient
    keys: dict[str, str]

    async def ask(self, path: str = PATH, who: str = "hq", **parameters: Any) -> httpx.Response:
        return await self.client.get(path, params=parameters, headers={"Authorization": f"Bearer {self.keys[who]}"})

    async def told(self, who: str = "hq", **parameters: Any) -> dict[str, Any]:
        answer = await self.ask(PATH, who, **(DAY | parameters))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def store(self, calls: Sequence[LLMCall]) -> None:
        await forget_calls(self.owner)
        assert (await PostgresLLMCallSink(self.owner).write(calls)).inserted == len(calls)


def an_app(engine: AsyncEngine, seconds: float = 30) -> FastAPI:
    """The API, whose statements about failures may take so many seconds."""
    return create_app(
        PostgresUsageAnswers(engine),
        PostgresKeyStore(engine),
        lambda: is_current(engine),
        failure_answers=PostgresFailureAnswers(engine, seconds),
    )


@asynccontextmanager
async def a_world(server_url: str) -> AsyncIterator[World]:
    """On a database of its own."""
    async with (
        migrated_database(server_url) as (settings, owner),
        login(owner, settings.url or "", "feedback_api") as member,
        engine_of(member) as engine,
    ):
        store = PostgresKeyStore(owner)
        keys = {name: (await store.create(name)).text for name in ("alder", "birch")}
        keys["hq"] = (await store.create("hq", superuser=True)).text
        transport = httpx.ASGITransport(an_app(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield World(owner, engine, client, keys)


def a_run(began: datetime, *endings: str, **fields: Any) -> list[LLMCall]:
    """One invocation with a call of 10 cents for each ending: `ok`, or what went wrong."""
    shared: dict[str, Any] = {"invocation_id": uuid4(), "invocation_started_at": began, "cost_usd": Decimal("0.1")}
    return [
        llm_call(
            **shared
            | {"attempt": number, "timestamp": began + timedelta(seconds=number)}
            | ({} if ending == "ok" else {"status": "error", "error_class": ending, "model": None})
            | fields
        )
        for number, ending in enumerate(endings, 1)
    ]
