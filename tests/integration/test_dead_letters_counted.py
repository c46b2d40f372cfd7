"""Dead letters from their topic to the API's counts, by a real consumer, and what is no dead letter on that topic."""

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.dead_letter_counts import PostgresDeadLetterReader
from adapters.postgres.dead_letters import PostgresDeadLetterSink
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.usage.reader import PostgresUsageAnswers
from api.app import create_app
from schemas.topics import CODE_ASSIGNMENTS, DEAD_LETTERS, LLM_CALLS, RECORDS
from tests.codings_support import a_coding
from tests.dead_letters_support import a_dead_letter_row
from tests.integration.system_support import Running, eventually, feedback, publishing, reading
from tests.unit.domain.dead_letters.test_register import a_letter
from tests.usage_support import migrated_database

PATH = "/v1/dead-letters"
MAY = {"from": "2026-05-04T00:00:00Z", "to": "2026-05-05T00:00:00Z"}
"""The day of `a_letter`."""
WORDS = "The canary is yellow."


@dataclass
class Rig:
    """The topics, a database of its own with the API before it, and the environment of the processes."""

    bootstrap: str
    engine: AsyncEngine
    producer: AIOKafkaProducer
    client: httpx.AsyncClient
    keys: dict[str, str]
    environment: dict[str, object]

    async def told(self, who: str, **asked: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.keys[who]}"}
        answer = await self.client.get(PATH, params=asked, headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def counted(self, who: str = "hq", **asked: str) -> dict[tuple[str | None, str], int]:
        groups = (await self.told(who, **asked))["groups"]
        return {(group["operation"], group["reason"]): group["dead_letters"] for group in groups}

    async def send(self, value: bytes | None, topic: str = DEAD_LETTERS.name) -> None:
        await self.producer.send_and_wait(topic, value, b"key", partition=0)

    async def on_the_topic(self) -> int:
        """How many messages stand on the topic of dead letters."""
        async with reading(self.bootstrap, DEAD_LETTERS.name) as outcomes:
            return len(await outcomes.all(DEAD_LETTERS.name))


@pytest.fixture
async def rig(system_kafka, postgres) -> AsyncIterator[Rig]:
    async with migrated_database(postgres.url) as (database, engine), publishing(system_kafka) as producer:
        store = PostgresKeyStore(engine)
        keys = {name: (await store.create(name)).text for name in ("red-hill", "other")}
        keys["hq"] = (await store.create("hq", superuser=True)).text
        app = create_app(
            PostgresUsageAnswers(engine), store, never, dead_letter_reader=PostgresDeadLetterReader(engine)
        )
        name = (database.url or "").rpartition("/")[2]
        environment: dict[str, object] = {
            "KAFKA_BOOTSTRAP_SERVERS": system_kafka,
            "DATABASE_URL": database.url,
            "WORKER_GROUP": f"{name}-workers",
            "CONSUMER_GROUP": f"{name}-calls",
        }
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            yield Rig(system_kafka, engine, producer, client, keys, environment)


async def never() -> bool:
    return False


@asynccontextmanager
async def consuming(rig: Rig, directory: Path) -> AsyncIterator[Running]:
    """With the process `feedback consumer`, which ends well and says nothing of what it read."""
    async with feedback("consumer", cwd=directory, **rig.environment) as consumer:
        yield consumer
        assert await consumer.ends(signal.SIGTERM) == 0, consumer.errors
        assert "canary" not in consumer.out + consumer.errors


async def test_what_a_worker_and_the_consumer_could_not_answer_is_counted_by_the_api(rig, tmp_path):
    await rig.send(b"{" + WORDS.encode(), RECORDS.name)
    unknown = {"tenant_id": "red-hill", "record_id": "r-1", "content": WORDS, "operations": ["no_such_operation"]}
    await rig.send(json.dumps(unknown).encode(), RECORDS.name)
    await rig.send(b"no call", LLM_CALLS.name)
    async with consuming(rig, tmp_path), feedback("worker", cwd=tmp_path, **rig.environment):
        await eventually(lambda: _are(rig, {(None, "not_json"): 2, (None, "wrong_schema"): 1}))
    assert await rig.counted("red-hill") == {(None, "wrong_schema"): 1}
    assert await rig.counted("other") == {}
    told = await rig.told("hq")
    assert (told["total"], told["set_aside_for_budget"], told["window_is_default"]) == (3, 0, True)
    async with rig.engine.connect() as connection:
        rows = (await connection.execute(text("SELECT to_jsonb(dead_letters)::text FROM dead_letters"))).scalars().all()
    assert not [row for row in rows if "canary" in row or "r-1" in row]
    assert sorted(json.loads(row)["source_topic"] for row in rows) == [RECORDS.name, RECORDS.name, LLM_CALLS.name]


async def _are(rig: Rig, wanted: dict[tuple[str | None, str], int]) -> bool:
    return await rig.counted() == wanted


async def test_garbage_is_passed_over_and_makes_no_dead_letter_and_repeats_count_once(rig, tmp_path):
    letter = a_letter(operation="summarize", reason="budget_exhausted")
    odd = json.loads(a_letter().to_bytes()) | {"reason": "a\x00reason", "operation": "x" * 100_000}
    garbage = [
        *(None, b"", b"\xff\x00", b"[" * 100_000, b"{}", WORDS.encode(), b'{"schema_version": 2}'),
        json.dumps(json.loads(letter.to_bytes()) | {"failed_at": "9999-12-31T23:59:59.999999Z"}).encode(),
        json.dumps(json.loads(letter.to_bytes()) | {"dead_letter_id": WORDS}).encode(),
    ]
    async with consuming(rig, tmp_path) as consumer:
        for value in (*garbage, letter.to_bytes(), letter.to_bytes(), json.dumps(odd).encode(), *garbage):
            await rig.send(value)
        sent = 2 * len(garbage) + 3
        # Behind it all, in the same partition; and the reader's other topics go on.
        await rig.send(a_letter(reason="too_large").to_bytes())
        await rig.send(a_coding("r-1", "a").to_bytes(), CODE_ASSIGNMENTS.name)
        wanted = {("summarize", "budget_exhausted"): 1, ("x" * 255, "a?reason"): 1, (None, "too_large"): 1}
        await eventually(lambda: _on(rig, wanted))
        await eventually(lambda: _codings(rig, 1))
        before = await rig.on_the_topic()
    # Again, with a new group: all of it is there already.
    rig.environment["CONSUMER_GROUP"] = f"{rig.environment['CONSUMER_GROUP']}-again"
    async with consuming(rig, tmp_path) as again:
        await rig.send(a_letter(reason="llm_error").to_bytes())
        wanted[None, "llm_error"] = 1
        await eventually(lambda: _on(rig, wanted))
    assert (before, await rig.on_the_topic()) == (sent + 1, sent + 2)
    ended = "codings, corrections and dead letters: stored {}, repeated {}, dead letters 0, passed over {}"
    assert ended.format(4, 1, 2 * len(garbage)) in consumer.errors
    assert ended.format(1, 5, 2 * len(garbage)) in again.errors
    told = await rig.told("hq", **MAY)
    assert (told["total"], told["set_aside_for_budget"]) == (4, 1)


async def _on(rig: Rig, wanted: dict[tuple[str | None, str], int]) -> bool:
    return await rig.counted(**MAY) == wanted


async def _codings(rig: Rig, count: int) -> bool:
    async with rig.engine.connect() as connection:
        return (await connection.execute(text("SELECT count(*) FROM codings"))).scalar_one() == count


async def test_the_most_frequent_come_first_and_a_window_is_half_open(rig):
    store = PostgresDeadLetterSink(rig.engine)
    rows = [a_dead_letter_row(tenant_id=name, reason="llm_error") for name in ("red-hill", "other", None)]
    rows += [a_dead_letter_row(tenant_id="red-hill", operation="summarize") for _ in range(2)]
    assert (await store.write([*rows, rows[0]])).inserted == 5
    assert (await store.write(rows)).inserted == 0
    noon, later = "2026-11-20T12:00:00Z", "2026-11-20T12:00:00.000001Z"
    told = await rig.told("hq", **{"from": noon, "to": later})
    assert [(one["reason"], one["dead_letters"], one["last_failed_at"]) for one in told["groups"]] == [
        ("llm_error", 3, noon),
        ("wrong_schema", 2, noon),
    ]
    assert (await rig.told("hq", **{"from": later, "to": "2026-11-21T00:00:00Z"}))["total"] == 0
    assert (await rig.told("hq", **{"from": "2026-11-20T00:00:00Z", "to": noon}))["total"] == 0
    assert await rig.counted("red-hill", **{"from": noon, "to": later}) == {
        ("summarize", "wrong_schema"): 2,
        (None, "llm_error"): 1,
    }
    assert await rig.counted("hq", tenant="other", **{"from": noon, "to": later}) == {(None, "llm_error"): 1}
