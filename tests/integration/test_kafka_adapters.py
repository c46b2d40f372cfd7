"""Topics, the catalogue of coding frameworks and the publisher, on a broker of their own; in the end it is killed."""

import asyncio
import json
import signal

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from adapters.kafka.admin import ensure_topics
from adapters.kafka.connection import KafkaConnection
from adapters.kafka.frameworks import KafkaFrameworkCatalogue
from adapters.kafka.header_names import take_any_header_names
from adapters.kafka.publisher import KafkaPublisher
from domain.errors import BrokerUnavailableError, BugError, UserError
from domain.ports import OutboundMessage
from schemas.topics import FRAMEWORKS, JUDGEMENTS, SUMMARIES, TOPICS
from tests import odd_headers
from tests.fakes import FakePublisher
from tests.integration.streams_support import bench, now, repeats, report

AT_ONCE, SECONDS, COMMIT_EVERY = 50, 0.2, 0.25


@pytest.fixture(scope="module")
async def broker(fresh_kafka):
    admin = AIOKafkaAdminClient(bootstrap_servers=fresh_kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(JUDGEMENTS.name, 1, 1, topic_configs={"cleanup.policy": "compact"})])
    await admin.close()
    return fresh_kafka


@pytest.fixture
def connection(broker):
    take_any_header_names()
    return KafkaConnection(broker.bootstrap_servers)


def framework(version: str, tenant: str = "t", name: str = "f") -> bytes:
    tree = [{"id": "1", "name": "Water", "children": []}]
    return json.dumps({"tenant_id": tenant, "framework_id": name, "version": version, "root_codes": tree}).encode()


async def put(connection: KafkaConnection, *messages: tuple[bytes | None, bytes | None]) -> None:
    async with AIOKafkaProducer(**connection.client_options()) as producer:
        for key, value in messages:
            await producer.send_and_wait(FRAMEWORKS.name, value, key, partition=0)


async def until(catalogue, wanted) -> None:
    async with asyncio.timeout(60):
        while not wanted():
            await catalogue.changed()


async def test_a_topic_of_frameworks_that_is_not_there_is_a_users_error(connection):
    with pytest.raises(UserError, match=FRAMEWORKS.name) as caught:
        await KafkaFrameworkCatalogue(connection, FakePublisher()).start()
    assert "feedback topics create" in caught.value.remedy


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
        await put(connection, (b"t/f", framework("3")), (b"t/h", framework("1", name="h")))
        await until(catalogue, lambda: catalogue.find("t", "h"))
        assert catalogue.find("t", "f").version == "3"
        await put(connection, (b"t/h", None))
        await until(catalogue, lambda: catalogue.find("t", "h") is None)


async def test_a_framework_under_another_key_than_its_own_is_a_dead_letter(connection):
    publisher = FakePublisher()
    async with KafkaFrameworkCatalogue(connection, publisher) as catalogue:
        await put(connection, (b"t%2F/k", framework("1", tenant="t/", name="k")), (b"u", framework("8", name="k")))
        await put(connection, (b"t/K", framework("9", name="k")), (b"t/end", framework("1", name="end")))
        await until(catalogue, lambda: catalogue.find("t", "end"))
        assert catalogue.find("t/", "k").version == "1"
        assert catalogue.find("t", "k") is None
        await put(connection, (b"u", framework("1", name="k")), (b"u", None), (b"t/end", None))
        await until(catalogue, lambda: catalogue.find("t", "end") is None)
    letters = [letter for letter in publisher.dead_letters() if letter.reason == "wrong_schema"]
    assert len(letters) == 3
    assert "it must be t/k " in letters[0].message


async def test_catalogue_that_cannot_go_on_says_so(connection):
    publisher = FakePublisher()

    def refuse(_: OutboundMessage) -> None:
        raise ZeroDivisionError

    publisher.refuse = refuse
    with pytest.raises(BugError, match="ZeroDivisionError"):  # the broken value of the test before
        await KafkaFrameworkCatalogue(connection, publisher).start()


async def test_each_start_tells_of_a_bad_framework_again_under_the_same_id(connection):
    """Who keeps the first of equal ids sees one, however many workers start."""
    told = []
    for _ in range(2):
        publisher = FakePublisher()
        async with KafkaFrameworkCatalogue(connection, publisher):
            told.append([letter.dead_letter_id for letter in publisher.dead_letters()])
    assert told[0]
    assert told[0] == told[1]


async def test_a_header_name_that_is_not_utf_8_does_not_end_the_catalogue(connection):
    odd = [(odd_headers.Name(odd_headers.ODD), b"1")]
    batch = [(f"t/{name}".encode(), framework("1", name=name), odd if name == "odd" else []) for name in ("odd", "o")]
    async with KafkaFrameworkCatalogue(connection, FakePublisher()) as catalogue:
        async with AIOKafkaProducer(**connection.client_options()) as producer:
            await odd_headers.send(producer, FRAMEWORKS.name, batch)
        await until(catalogue, lambda: catalogue.find("t", "o"))
        assert catalogue.find("t", "odd").version == "1"
    async with KafkaFrameworkCatalogue(connection, FakePublisher()) as started_later:
        assert started_later.find("t", "odd") == catalogue.find("t", "odd")


async def test_while_all_is_read_again_the_catalogue_answers_from_what_it_knew(connection, monkeypatch):
    fails, again, poll, seen = asyncio.Event(), asyncio.Event(), AIOKafkaConsumer.getmany, set()

    async def one_by_one(consumer, timeout_ms):
        if fails.is_set():
            fails.clear()
            again.set()
            raise KafkaError
        if again.is_set():
            kept = catalogue.find("t", "kept")
            seen.add((kept and kept.version, catalogue.find("t", "withdrawn")))
        return await poll(consumer, timeout_ms=timeout_ms, max_records=1)

    await put(connection, *((b"t/kept", framework(version, name="kept")) for version in "12"))
    await put(connection, (b"t/withdrawn", framework("1", name="withdrawn")), (b"t/withdrawn", None))
    async with KafkaFrameworkCatalogue(connection, FakePublisher()) as catalogue, asyncio.timeout(60):
        before = catalogue.find("t", "kept")
        monkeypatch.setattr(AIOKafkaConsumer, "getmany", one_by_one)
        fails.set()
        await again.wait()
        await put(connection, (b"t/new", framework("1", name="new")))
        await until(catalogue, lambda: catalogue.find("t", "new"))
        assert catalogue.find("t", "kept") is before, "an outline that was made of it serves on"
    assert seen == {("2", None)}


@pytest.mark.long
async def test_publisher_catalogue_and_worker_outlive_the_broker_and_a_worker_can_be_stopped_meanwhile(
    broker, connection, tmp_path
):
    """One outage for all of them: a broker takes its time to come back."""
    address = connection.bootstrap_servers
    await ensure_topics(connection, 2, 1)
    async with (
        KafkaPublisher(connection, delivery_timeout=60) as patient,
        KafkaPublisher(connection, delivery_timeout=1) as hasty,
        KafkaFrameworkCatalogue(connection, FakePublisher()) as catalogue,
        bench(address, tmp_path) as table,
        bench(address, tmp_path) as other,
    ):
        ids = await table.publish({"seconds": SECONDS} for _ in range(300))
        others = await other.publish({"seconds": SECONDS} for _ in range(300))
        lasting = await table.worker(at_once=AT_ONCE, instance="one")
        stopped = await other.worker(at_once=AT_ONCE, drain=0)
        await asyncio.gather(table.outcomes(ids[:50]), other.outcomes(others[:50]))
        await broker.kill()
        asked = now()
        waiting = asyncio.create_task(patient.publish(OutboundMessage(SUMMARIES.name, b"k", b"during")))
        with pytest.raises(BrokerUnavailableError, match="within 1 seconds"):
            await hasty.publish(OutboundMessage(SUMMARIES.name, b"k", b"given up"))
        assert await stopped.ends(signal.SIGTERM) == 0
        took = now() - asked
        assert not waiting.done()
        await broker.restart()
        back = now()
        await waiting
        await put(connection, (b"t/late", framework("1", name="late")))
        await until(catalogue, lambda: catalogue.find("t", "late"))
        found = await table.outcomes(ids)
        done = now()
        assert await lasting.ends(signal.SIGTERM) == 0
    report(
        test="broker outage",
        repeats=repeats(found),
        seconds_to_exit=round(took, 2),
        seconds_from_restart_to_done=round(done - back, 2),
    )
    # What was in flight, and what had finished since the last commit; while Kafka was away nothing finished.
    assert repeats(found) <= AT_ONCE + 2 * COMMIT_EVERY * AT_ONCE / SECONDS
    async with (
        asyncio.timeout(60),
        AIOKafkaConsumer(SUMMARIES.name, **connection.client_options(), auto_offset_reset="earliest") as consumer,
    ):
        while (await consumer.getone()).value != b"during":
            pass
