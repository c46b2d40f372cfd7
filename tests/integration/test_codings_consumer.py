"""Codings and corrections from their topics to the API's figures, on a real broker and a real database."""

import asyncio
import contextlib
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.topic_ids import KafkaTopicIds
from adapters.postgres.agreement import PostgresAgreementReader
from adapters.postgres.codings import PostgresCodingSink, PostgresCorrectionSink
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.usage.reader import PostgresUsageAnswers
from api.app import create_app
from consumers.batches import Progress
from consumers.codings import coding_tables
from consumers.settings import TableConsumerSettings
from consumers.tables import consume
from schemas.base import Event
from tests.codings_support import FRAMEWORK, TENANT, a_coding, corrected
from tests.fakes import FakePublisher
from tests.integration.llm_calls_support import SECONDS, until
from tests.integration.test_remade_topics import made_anew
from tests.usage_support import migrated_database

PARTITIONS = 2
DAY = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}


@dataclass
class Rig:
    """Two topics of the test's own, a database of its own, and a consumer between them."""

    bootstrap: str
    engine: AsyncEngine
    producer: AIOKafkaProducer
    name: str = field(default_factory=lambda: uuid4().hex[:8])
    publisher: FakePublisher = field(default_factory=FakePublisher)

    @property
    def codings(self) -> str:
        return f"codings.{self.name}"

    @property
    def corrections(self) -> str:
        return f"corrections.{self.name}"

    async def send(self, topic: str, value: Event | bytes | None, ce_id: str | None = None) -> None:
        raw = value.to_bytes() if isinstance(value, Event) else value
        headers = [("ce_source", b"crm"), ("ce_id", ce_id.encode())] if ce_id else []
        await self.producer.send_and_wait(topic, raw, b"key", headers=headers)

    async def counts(self) -> tuple[int, int]:
        asked = "SELECT (SELECT count(*) FROM codings), (SELECT count(*) FROM corrections)"
        async with self.engine.connect() as connection:
            codings, corrections = (await connection.execute(text(asked))).one()
        return codings, corrections

    async def committed(self, topic: str) -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=self.name, enable_auto_commit=False)
        async with consumer:
            places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            return sum([await consumer.committed(place) or 0 for place in places])

    async def until_committed(self, topic: str, offsets: int) -> None:
        async with asyncio.timeout(SECONDS):
            while await self.committed(topic) < offsets:
                pass  # each look takes a while: it logs in to the broker

    @contextlib.asynccontextmanager
    async def consuming(self) -> AsyncIterator[Progress]:
        stop, progress = asyncio.Event(), Progress()
        connection = KafkaConnection(self.bootstrap)
        settings = TableConsumerSettings(connection.client_options(), self.name, 10.0, max_wait_seconds=0.05)
        sinks = PostgresCodingSink(self.engine), PostgresCorrectionSink(self.engine)
        tables = coding_tables(*sinks, self.codings, self.corrections)
        async with aclosing(KafkaTopicIds(connection)) as ids:
            work = asyncio.create_task(consume("codings", settings, tables, self.publisher, stop, progress, ids))
            try:
                yield progress
            finally:
                stop.set()
                await asyncio.wait_for(work, SECONDS)

    async def agreement(self, **asked: str) -> dict[str, Any]:
        """What the API tells the tenant."""
        keys = PostgresKeyStore(self.engine)
        app = create_app(
            PostgresUsageAnswers(self.engine), keys, never, agreement_reader=PostgresAgreementReader(self.engine)
        )
        headers = {"Authorization": f"Bearer {(await keys.create(TENANT)).text}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            params = DAY | {"framework_id": FRAMEWORK} | asked
            answer = await client.get("/v1/agreement", params=params, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def never() -> bool:
    return False


@pytest.fixture
async def rig(kafka, postgres):
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await producer.start()
    try:
        async with migrated_database(postgres.url) as (_, engine):
            rig = Rig(kafka.bootstrap_servers, engine, producer)
            await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in (rig.codings, rig.corrections)])
            yield rig
            await admin.delete_topics([rig.codings, rig.corrections])
    finally:
        await producer.stop()
        await admin.close()


async def test_from_events_to_the_figures_of_the_api(rig):
    looked_at = a_coding("r-3", "roads", minutes=1)
    async with rig.consuming() as progress:
        # The correction is there before its coding is, as two topics have no order between them.
        await rig.send(rig.corrections, corrected("r-1", "water", content="No water since Monday."), "c-1")
        await until(lambda: progress.stored == 1)
        assert (await rig.agreement())["overall"]["records"] == 0
        for coding in (
            a_coding("r-1", "water"),
            a_coding("r-2", "water", "health"),
            looked_at,
            a_coding("r-3", "health", minutes=2),
            a_coding("r-4"),
            a_coding("r-5", "water", minutes=90),  # only after its correction
            a_coding("r-6", "water"),  # never corrected
            a_coding("r-2", "roads", tenant_id="other"),
        ):
            await rig.send(rig.codings, coding)
        for number, correction in enumerate(
            (
                corrected("r-2", "roads", minutes=10),  # thought better of
                corrected("r-2", "health", minutes=20),
                corrected("r-3", "roads", result_id=looked_at.result_id),
                corrected("r-4"),
                corrected("r-5", "health"),
                corrected("r-7", "health"),  # never coded
                corrected("r-2", "roads", tenant_id="other"),
            ),
            start=2,
        ):
            await rig.send(rig.corrections, correction, f"c-{number}")
        await until(lambda: progress.stored == 16)
        first = await rig.agreement()

        # Again: the same events, as a producer or Kafka repeats them, and a coding asked for anew under its own id.
        await rig.send(rig.corrections, corrected("r-1", "water", content="No water since Monday."), "c-1")
        await rig.send(rig.codings, looked_at.model_copy(update={"codes": a_coding("r-3", "health").codes}))
        # And what is no correction.
        bad = corrected("r-9", "water").model_dump(mode="json") | {"code_ids": "water"}
        await rig.send(rig.corrections, json.dumps(bad).encode(), "c-9")
        await until(lambda: progress.repeated == 2 and progress.dead_lettered == 1)
        assert await rig.agreement() == first
        assert await rig.counts() == (8, 8)

    overall, codes = first["overall"], {code.pop("code_id"): code for code in first["codes"]}
    assert overall == pytest.approx(
        {"records": 4, "exact_match": 3 / 4, "micro_precision": 3 / 4, "micro_recall": 1.0, "macro_kappa": 5 / 6}
    )
    assert list(codes) == ["health", "roads", "water"]
    assert codes["water"] == {
        "n": 4,
        "assigned": 2,
        "corrected": 1,
        "agreed": 1,
        "precision": 0.5,
        "recall": 1.0,
        "kappa": 0.5,
    }
    assert codes["health"]["kappa"] == codes["roads"]["kappa"] == 1.0
    assert (await rig.agreement(framework_version="2"))["overall"]["records"] == 0

    (letter,) = rig.publisher.dead_letters()
    assert (letter.reason, letter.tenant_id, letter.record_id) == ("wrong_schema", TENANT, "r-9")
    assert json.loads(b64decode(letter.value_base64)) == bad
    assert letter.source.topic == rig.corrections
    assert (await rig.committed(rig.codings), await rig.committed(rig.corrections)) == (9, 10)
    async with rig.engine.connect() as connection:
        rows = await connection.execute(text("SELECT to_jsonb(corrections)::text FROM corrections"))
        assert not [row for row in rows.scalars() if "Monday" in row]


async def test_of_two_topics_one_is_made_anew_and_nothing_of_either_is_passed_over(rig):
    async with rig.consuming() as progress:
        for number in range(20):
            await rig.send(rig.codings, a_coding(f"r-{number}", "a"))
            await rig.send(rig.corrections, corrected(f"r-{number}", "a"))
        await until(lambda: progress.stored == 40)
        await rig.until_committed(rig.corrections, 20)
        await made_anew(rig.bootstrap, rig.corrections, PARTITIONS)
        for number in range(20, 50):
            await rig.send(rig.codings, a_coding(f"r-{number}", "a"))
            await rig.send(rig.corrections, corrected(f"r-{number}", "a"))
        await until(lambda: progress.stored == 100)
        await rig.until_committed(rig.corrections, 30)
        await rig.until_committed(rig.codings, 50)
    assert (progress.repeated, progress.dead_lettered, await rig.counts()) == (0, 0, (50, 50))
    assert (await rig.agreement())["overall"] == {
        "records": 50,
        "exact_match": 1.0,
        "micro_precision": 1.0,
        "micro_recall": 1.0,
        "macro_kappa": None,
    }
