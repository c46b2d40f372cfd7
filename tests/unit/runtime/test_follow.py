"""Reading the output topics: what Kafka fails at becomes our own error."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from adapters.kafka.connection import KafkaConnection
from domain.errors import BrokerUnavailableError
from runtime.job import follow


class Failing:
    """A consumer that is assigned a partition, and cannot do any more."""

    def __init__(self, **_: Any) -> None:
        pass

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("feedback.summaries", 0)}

    async def end_offsets(self, _: Any) -> None:
        raise KafkaTimeoutError

    async def getmany(self, **_: Any) -> None:
        raise KafkaTimeoutError


@pytest.mark.parametrize("step", ["caught_up", "run"])
async def test_a_kafka_that_fails_is_one_sentence(monkeypatch, step):
    monkeypatch.setattr(follow, "AIOKafkaConsumer", Failing)
    follower = follow.Follower(KafkaConnection("127.0.0.1:1"), lambda topic, value: None)
    with pytest.raises(BrokerUnavailableError, match="Kafka cannot be read any more: KafkaTimeoutError"):
        await getattr(follower, step)()
