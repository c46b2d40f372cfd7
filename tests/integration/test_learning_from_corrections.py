"""Corrections on a real topic change what `offline/semantic` answers: for the tenant that made them, no other."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from aiokafka import AIOKafkaProducer

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.lessons import KafkaLessons
from domain.operations.corrected_examples import Guide
from runtime.settings import Settings
from runtime.wiring.answering import Aids, answering, one_model
from runtime.wiring.parts import delivery_settings, llm_settings
from schemas.corrections import CodesCorrected
from schemas.topics import CORRECTIONS
from tests.builders import FRAMEWORK, NOON, a_framework, a_message, a_record
from tests.fakes import FakeCatalogue, FakePublisher

JARGON = "Again the blue donkey is missing."
SETTINGS = Settings(llm_model="offline/semantic")


def a_correction(record_id: str, tenant: str, **fields: Any) -> bytes:
    defaults = {
        "tenant_id": tenant,
        "record_id": record_id,
        "framework_id": FRAMEWORK,
        "code_ids": ("thanks",),
        "content": f"The blue donkey is missing ({record_id}).",
        "corrected_at": NOON,
    }
    return CodesCorrected.model_validate({**defaults, **fields}).to_bytes()


async def publish(connection: KafkaConnection, *values: bytes | None) -> None:
    async with AIOKafkaProducer(**connection.client_options()) as producer:
        for value in values:
            await producer.send_and_wait(CORRECTIONS.name, value, b"record", partition=0)


async def until(lessons: KafkaLessons, wanted: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not wanted():
            await lessons.changed()


async def codes(lessons: KafkaLessons, tenant: str) -> list[str]:
    """What a worker's own parts publish for one record of the tenant."""
    events, framework = FakePublisher(), a_framework(tenant_id=tenant)
    async with AsyncExitStack() as stack:
        routing = await stack.enter_async_context(one_model(SETTINGS, llm_settings(SETTINGS), events))
        handler = answering(
            routing, events, FakeCatalogue(framework), delivery_settings(SETTINGS), Aids(guide=Guide(lessons))
        )
        await handler.handle(a_message(a_record(tenant_id=tenant, content=JARGON, operations=["assign_codes"])))
    (result,) = events.on("feedback.code-assignments")
    return [code["code_id"] for code in result["codes"]]


async def test_corrections_change_the_codings_of_their_tenant_alone(system_kafka, caplog):
    connection = KafkaConnection(system_kafka)
    await publish(connection, b"{no correction", None, *(a_correction(name, "donkeys") for name in ("one", "also")))
    async with KafkaLessons(connection) as lessons:
        await until(lessons, lambda: len(getattr(lessons.find("donkeys", FRAMEWORK), "lessons", ())) == 2)
        assert "thanks" not in await codes(lessons, "others")
        assert (await codes(lessons, "donkeys"))[0] == "thanks"

        later = {"code_ids": ("dirty-water",), "content": None, "corrected_at": NOON + timedelta(hours=1)}
        await publish(connection, a_correction("two", "donkeys"), a_correction("two", "donkeys", **later))
        expected = [("thanks",), ("thanks",), ("dirty-water",)]
        await until(lessons, lambda: [each.code_ids for each in lessons.find("donkeys", FRAMEWORK).lessons] == expected)
    assert lessons.ignored == 2
    told = [record.getMessage() for record in caplog.records if record.name == "adapters.kafka.lessons"]
    assert len(told) == 1
    assert "no correction" in told[0]
    assert "not_json" in told[0]


async def test_a_worker_that_cannot_read_corrections_works_without_them(caplog):
    async with KafkaLessons(KafkaConnection("127.0.0.1:1")) as lessons:
        assert lessons.find("donkeys", FRAMEWORK) is None
