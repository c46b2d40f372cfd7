"""A topic that is deleted and made anew under aiokafka's consumer."""

import asyncio
import logging
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from domain.delivery.remade_topics import RemadeTopics
from domain.ports import TopicIds

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


class TopicWatch:
    """Keeps offsets of a topic away from another one that has its name now.

    Args:
        consumer: the consumer.
        topic: what it reads.
        ids: asks Kafka; None: nobody does.
    """

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, ids: TopicIds | None) -> None:
        self._consumer = consumer
        self._topic = topic
        self._remade = RemadeTopics(ids)

    async def given(self, partitions: Iterable[TopicPartition]) -> bool:
        """These partitions were assigned; whether they are of a new topic, and are read from the beginning."""
        begun = dict.fromkeys(partitions, 0)
        if not begun or not await self._remade.begin({self._topic}):
            return False
        for partition in begun:
            self._consumer.seek(partition, 0)
        try:
            await self._consumer.commit(begun)  # over what may be there: of the old topic, from just before it went
        except KafkaError as error:  # the next commit of each partition does as well
            logger.warning("Kafka did not take the beginning of %s (%s)", self._topic, type(error).__name__)
        return True

    async def may_commit(self) -> bool:
        """Whether the topic is for certain what it was."""
        return bool(await self._remade.unchanged({self._topic}))

    async def run(self) -> None:
        """Have the partitions assigned anew where the topic is another one, until cancelled.

        Also while nothing is committed: from an offset of the old topic, nothing of the new one may be stored.
        """
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._consumer.assignment() and await self._remade.look({self._topic}):
                self._consumer._coordinator.request_rejoin()
