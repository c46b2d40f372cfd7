"""Messages looked up again by their places, on a real Kafka."""

import secrets

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.past_messages import KafkaPastMessages
from adapters.kafka.topic_ids import KafkaTopicIds
from domain.errors import BrokerUnavailableError
from schemas.sources import Source


async def test_messages_of_several_topics_in_turn_and_what_is_not_there(kafka):
    bootstrap = kafka.bootstrap_servers
    topics = [f"past.{secrets.token_hex(4)}" for _ in range(3)]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 2, 1) for topic in topics])
        async with (
            AIOKafkaProducer(bootstrap_servers=bootstrap) as producer,
            KafkaPastMessages(KafkaConnection(bootstrap)) as past,
        ):
            for offset in range(3):  # one after the other, so that none was kept when another was looked up
                for topic in topics:
                    value = f"{topic} {offset}".encode()
                    await producer.send_and_wait(topic, value, partition=1)
                    found = await past.at(Source(topic=topic, partition=1, offset=offset))
                    assert found is not None
                    assert found.value == value
            nowhere = [(topics[0], 1, 3), (topics[1], 0, 0), (topics[2], 9, 0), (f"{topics[0]}-not", 0, 0)]
            for topic, partition, offset in nowhere:
                assert await past.at(Source(topic=topic, partition=partition, offset=offset)) is None
            found = await past.at(Source(topic=topics[0], partition=1, offset=0))
            assert found is not None
    finally:
        await admin.delete_topics(topics)
        await admin.close()


async def test_where_no_topic_can_have_such_a_name_nothing_stands_there(kafka):
    async with KafkaPastMessages(KafkaConnection(kafka.bootstrap_servers), patience_seconds=10) as past:
        for name in ("two words", "a/b", "x" * 300, "", "..", "sujet-é"):
            assert await past.at(Source(topic=name, partition=0, offset=0)) is None, name
        edges = Source(topic="feedback.records", partition=2**31 - 1, offset=2**63 - 1)
        assert await past.at(edges) is None


async def test_a_broker_that_does_not_tell_at_once_is_asked_again_and_not_for_ever(kafka, monkeypatch):
    connection, topic = KafkaConnection(kafka.bootstrap_servers), f"past.{secrets.token_hex(4)}"
    tell, refused = KafkaTopicIds.of, []

    async def unwilling(ids, topics):
        if not refused:
            refused.append(topics)
            raise BrokerUnavailableError("Kafka does not tell.")
        return await tell(ids, topics)

    async def never(_ids, _topics):
        raise BrokerUnavailableError("Kafka does not tell.")

    monkeypatch.setattr(KafkaTopicIds, "of", unwilling)
    async with KafkaPastMessages(connection) as past:
        assert await past.at(Source(topic=topic, partition=0, offset=0)) is None
        assert refused
    monkeypatch.setattr(KafkaTopicIds, "of", never)
    async with KafkaPastMessages(connection, patience_seconds=0.1) as past:
        with pytest.raises(BrokerUnavailableError):
            await past.at(Source(topic=topic, partition=0, offset=0))
