"""Real stream workers as processes, beside a provider that knows who asks, and all that they left on Kafka."""

import asyncio
import json
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
from aiohttp import web

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.usage.failures import PostgresFailureAnswers
from domain.usage.failures import FailureQuestion, OperationFailures
from domain.usage.report import Window
from runtime.settings import load_settings
from runtime.wiring import run_consumer
from schemas.topics import CODE_ASSIGNMENTS, DEAD_LETTERS, FRAMEWORKS, LLM_CALLS, RECORDS, SUMMARIES
from tests.builders import a_framework, a_record
from tests.integration.system_support import (
    Outcomes,
    Running,
    committed,
    eventually,
    feedback,
    in_this_process,
    publishing,
    reading,
)
from tests.llm_server import LLMServer
from tests.usage_support import migrated_database

RESULTS = (CODE_ASSIGNMENTS.name, SUMMARIES.name)
WRONG_KEY = "sk-wrong"


class Doorman(LLMServer):
    """The local provider, with a look at the key of each request, and a gate to hold them all.

    Attributes:
        gate: while it is not set, nobody is answered.
        forgotten: the next request with each of these keys is never answered.
        asked, in_flight, most_in_flight, cut: requests with each key: in all, now, at most, broken off by the worker.
        first_asked: when the first one came with each key, on the monotonic clock.
    """

    def __init__(self, latency: float = 0.0) -> None:
        super().__init__(latency=latency)
        self.gate = asyncio.Event()
        self.gate.set()
        self.forgotten: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.in_flight: Counter[str] = Counter()
        self.most_in_flight: Counter[str] = Counter()
        self.cut: Counter[str] = Counter()
        self.first_asked: dict[str, float] = {}

    def app(self) -> web.Application:
        """The HTTP application; refuses `WRONG_KEY`."""
        app = super().app()
        app.middlewares.append(self._at_the_door)
        return app

    @web.middleware
    async def _at_the_door(self, request: web.Request, handler: Any) -> web.StreamResponse:
        key = request.headers["Authorization"].removeprefix("Bearer ")
        self.asked[key] += 1
        self.in_flight[key] += 1
        self.most_in_flight[key] = max(self.most_in_flight[key], self.in_flight[key])
        self.first_asked.setdefault(key, monotonic())
        try:
            await self.gate.wait()
            if key in self.forgotten:
                self.forgotten.discard(key)
                await asyncio.Event().wait()
            return _refusal() if key == WRONG_KEY else await handler(request)
        except (asyncio.CancelledError, ConnectionError):
            self.cut[key] += 1
            raise
        finally:
            self.in_flight[key] -= 1


def _refusal() -> web.Response:
    return web.json_response({"error": {"message": "Incorrect key.", "type": "auth", "code": None}}, status=401)


@dataclass
class Scene:
    """Inputs on a broker, the workers on them, and what they left; LLM calls go into a database of its own.

    Attributes:
        records: partition and offset of each record, by its id.
        group: the workers' consumer group.
    """

    bootstrap: str
    database: str
    home: Path
    provider: LLMServer
    producer: Any
    outcomes: Outcomes
    max_in_flight: int
    group: str
    records: dict[str, tuple[int, int]] = field(default_factory=dict)

    def worker(self, key: str, **settings: object) -> AbstractAsyncContextManager[Running]:
        """A worker, as a process of its own, with this key for the provider."""
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "WORKER_GROUP": self.group,
            "MAX_IN_FLIGHT": self.max_in_flight,
            "LLM_MODEL": "openai/gpt-4o-mini",
            "LLM_API_BASE": self.provider.base_url,
            "LLM_API_KEY": key,
            **settings,
        }
        return feedback("worker", cwd=self.home, **environment)

    async def publish(self, count: int) -> None:
        """Publish so many more records, over all partitions in turn; each asks for a coding and a summary."""
        partitions = len(await self.producer.partitions_for(RECORDS.name))
        sent = {}
        for number in range(len(self.records), len(self.records) + count):
            record = a_record(record_id=f"{self.group}-{number}", content=f"Report {number}: the tap is dry.")
            sent[record.record_id] = await self.producer.send(
                RECORDS.name, record.to_bytes(), key=record.record_id.encode(), partition=number % partitions
            )
        places = await asyncio.gather(*sent.values())
        self.records |= {name: (place.partition, place.offset) for name, place in zip(sent, places, strict=True)}

    async def committed(self) -> dict[int, int]:
        """The group's offsets on `feedback.records`."""
        return await committed(self.bootstrap, self.group, RECORDS.name)

    def results(self, *, count: int) -> Any:
        """So many results of these records, repeats among them, once they are there."""
        return self.outcomes.until(self._is_result, count)

    def results_so_far(self) -> int:
        """How many results were read."""
        return self._found().total()

    async def all_answered(self) -> Counter[tuple[str, str]]:
        """How often each result came, by record and topic; once each record has its two, and all that came was read."""
        async with asyncio.timeout(90):
            while len(found := self._found()) < 2 * len(self.records):
                await self.outcomes.until(lambda _: True, len(self.outcomes.messages) + 1, 90)
        await self.outcomes.all()
        found = self._found()
        assert set(found) == {(name, topic) for name in self.records for topic in RESULTS}
        ids = {json.loads(message.value)["result_id"] for message in self.outcomes.messages if self._is_result(message)}
        assert len(ids) == len(found)  # repeats carry the same id
        return found

    def _found(self) -> Counter[tuple[str, str]]:
        return Counter((m.key.decode(), m.topic) for m in self.outcomes.messages if self._is_result(m))

    def _is_result(self, message: Any) -> bool:
        return message.topic in RESULTS and message.key.decode() in self.records

    async def letters(self) -> list[Any]:
        """The dead letters that stand there now of inputs of this scene."""
        letters = [json.loads(message.value) for message in await self.outcomes.all(DEAD_LETTERS.name)]
        return [letter for letter in letters if letter["source"]["topic"] == RECORDS.name]

    async def calls(self) -> list[dict[str, Any]]:
        """The events of LLM calls that stand there now, without repeats."""
        calls = [json.loads(message.value) for message in await self.outcomes.all(LLM_CALLS.name)]
        return list({call["call_id"]: call for call in calls}.values())

    async def rows(self, count: int) -> list[Any]:
        """The rows of the table, once there are so many."""
        connection = await asyncpg.connect(self.database)
        try:

            async def there() -> bool:
                return await connection.fetchval("SELECT count(*) FROM llm_calls") >= count

            await eventually(there)
            return await connection.fetch("SELECT call_id::text, http_status, status FROM llm_calls")
        finally:
            await connection.close()

    async def failures(self) -> OperationFailures:
        """What the API would say of failures, retries and repeats."""
        engine = create_engine(DatabaseSettings(url=self.database))
        try:
            whole = Window(datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1))
            return (await PostgresFailureAnswers(engine).failures(FailureQuestion(whole))).total
        finally:
            await engine.dispose()


@asynccontextmanager
async def a_scene(
    bootstrap: str, postgres_url: str, home: Path, provider: LLMServer, max_in_flight: int
) -> AsyncIterator[Scene]:
    """Topics that nobody has read yet, `a_framework()` on them, and a consumer of LLM calls in this process."""
    group = f"scene-{secrets.token_hex(4)}"
    framework = a_framework()
    async with (
        migrated_database(postgres_url) as (database, _),
        publishing(bootstrap, linger_ms=5) as producer,
        reading(bootstrap, *RESULTS, DEAD_LETTERS.name, LLM_CALLS.name) as outcomes,
    ):
        settings = load_settings(
            kafka_bootstrap_servers=bootstrap, consumer_group=f"{group}-calls", database_url=database.url
        )
        async with in_this_process(partial(run_consumer, settings)):
            await producer.send_and_wait(FRAMEWORKS.name, framework.to_bytes(), key=framework.key.encode())
            yield Scene(bootstrap, database.url, home, provider, producer, outcomes, max_in_flight, group)


def report(**figures: object) -> None:
    """Figures for whoever runs the tests with -s."""
    sys.stderr.write(f"\n[workers] {json.dumps(figures)}\n")
