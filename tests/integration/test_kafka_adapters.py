"""Topics, the catalogue of coding frameworks and the publisher, on a broker of their own."""

import asyncio
import json

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from adapters.kafka.admin import ensure_topics
from adapters.kafka.connection import KafkaConnection
from adapters.kafka.frameworks import KafkaFrameworkCatalogue
from adapters.kafka.publisher import KafkaPublisher
from domain.errors import BrokerUnavailableError, UserError
from domain.ports import OutboundMessage
from schemas.topics import FRAMEWORKS, JUDGEMENTS, SUMMARIES, TOPICS
from tests.fakes import FakePublisher


@pytest.fixture(scope="module")
async def broker(fresh_kafka):
    admin = AIOKafkaAdminClient(bootstrap_servers=fresh_kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(JUDGEMENTS.name, 1, 1, topic_configs={"cleanup.policy": "compact"})])
    await admin.close()
    return fresh_kafka


@pytest.fixture
def connection(broker):
    return KafkaConnection(broker.bootstrap_servers)


def framework(version: str, tenant: str = "t", name: str = "f") -> bytes:
    tree = [{"id": "1", "name": "Water", "children": []}]
    return json.dumps({"tenant_id": tenant, "framework_id": name, "version": version, "root_codes": tree}).encode()


async def put(connection: KafkaConnection, *messages: tuple[bytes | None, bytes | None]) -> None:
    async with AIOKafkaProducer(**connection.client_options()) as producer:
        for key, value in messages:
            await producer.send_and_wait(FRAMEWORKS.name, value, key, partition=0)


async def until(catalogue, wanted) -> None:
    async with asyncio.timeout(20):
        while not wanted():
            await catalogue.changed()


async def test_too_many_replicas_are_a_users_error(connection):
    with pytest.raises(UserError, match="InvalidReplicationFactor"):
        await ensure_topics(connection, 2, 3)


async def test_topics_are_created_once_whoever_asks_and_differences_are_told(connection, caplog):
    made = await asyncio.gather(ensure_topics(connection, 2, 1), ensure_topics(connection, 2, 1))
    assert sorted(made[0] + made[1]) == sorted(topic.name for topic in TOPICS if topic is not JUDGEMENTS)
    caplog.clear()
    assert await ensure_topics(connection, 2, 1) == ()
    told = [record.getMessage() for record in caplog.records if record.name == "adapters.kafka.admin"]
    assert told == [
        f"the topic {JUDGEMENTS.name} has 1 partitions, fewer than 2",
        f"the topic {JUDGEMENTS.name} has the clean-up policy compact; it should be delete",
    ]


async def test_nobody_at_the_address_is_a_users_error():
    with pytest.raises(UserError, match="does not answer"):
        await KafkaConnection("127.0.0.1:1").check(2)


async def test_catalogue_knows_all_at_start_and_follows(connection):
    publisher = FakePublisher()
    await put(connection, (b"t/f", framework("1")), (b"t/f", framework("2")), (b"t/g", framework("1", name="g")))
    await put(connection, (b"t/g", None), (b"t/f", b"{broken"))
    async with KafkaFrameworkCatalogue(connection, publisher) as catalogue:
        assert catalogue.find("t", "f").version == "2"
        assert catalogue.find("t", "g") is None
        (letter,) = publisher.dead_letters()
        assert (letter.reason, letter.source.offset) == ("not_json", 4)
        await put(connection, (b"t/f", framework("3")), (b"other key", framework("1", name="h")))
        await until(catalogue, lambda: catalogue.find("t", "h"))
        assert catalogue.find("t", "f").version == "3"
        await put(connection, (b"other key", None))
        await until(catalogue, lambda: catalogue.find("t", "h") is None)


async def test_catalogue_that_cannot_go_on_says_so(connection):
    publisher = FakePublisher()

    def refuse(_: OutboundMessage) -> None:
        raise ZeroDivisionError

    publisher.refuse = refuse
    with pytest.raises(ZeroDivisionError):  # the broken value of the test before
        await KafkaFrameworkCatalogue(connection, publisher).start()


async def test_publisher_and_catalogue_outlive_the_broker(broker, connection):
    async with (
        KafkaPublisher(connection, delivery_timeout=60) as patient,
        KafkaPublisher(connection, delivery_timeout=1) as hasty,
        KafkaFrameworkCatalogue(connection, FakePublisher()) as catalogue,
    ):
        await broker.kill()
        message = OutboundMessage(SUMMARIES.name, b"k", b"during")
        waiting = asyncio.create_task(patient.publish(message))
        with pytest.raises(BrokerUnavailableError, match="within 1 seconds"):
            await hasty.publish(message)
        assert not waiting.done()
        await broker.restart()
        await waiting
        await put(connection, (b"t/late", framework("1", name="late")))
        await until(catalogue, lambda: catalogue.find("t", "late"))
    async with AIOKafkaConsumer(
        SUMMARIES.name, **connection.client_options(), auto_offset_reset="earliest"
    ) as consumer:
        async with asyncio.timeout(20):
            assert (await consumer.getone()).value == b"during"
