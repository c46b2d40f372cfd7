"""Topics that are deleted and made anew under aiokafka's consumer."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable

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
        topics: what it reads.
        ids: asks Kafka; None: nobody does.
    """

    def __init__(self, consumer: AIOKafkaConsumer, topics: Collection[str], ids: TopicIds | None) -> None:
        self._consumer = consumer
        self._topics = frozenset(topics)
        self._remade = RemadeTopics(ids)

    async def given(self, partitions: Iterable[TopicPartition], forget: Callable[[set[str]], None]) -> set[str]:
        """These partitions were assigned; which topics among theirs are new ones, and read from the beginning.

        Reading goes on all the while. So what was read of these topics is let go, by `forget`, in the same step in
        which their reading goes back to the beginning: a moment later it would be some of what is not read again.
        """
        given = list(partitions)
        remade = await self._remade.begin({partition.topic for partition in given})
        begun = {partition: 0 for partition in given if partition.topic in remade}
        if not begun:
            return remade
        for partition in begun:
            self._consumer.seek(partition, 0)
        forget(remade)
        try:
            await self._consumer.commit(begun)  # over what may be there: of the old topic, from just before it went
        except KafkaError as error:  # the next commit of each partition does as well
            told = ", ".join(sorted(remade))
            logger.warning("Kafka did not take the beginning of %s (%s)", told, type(error).__name__)
        return remade

    async def unchanged(self, topics: Collection[str]) -> set[str]:
        """Which of these topics are for certain what they were: of those offsets may be committed."""
        return await self._remade.unchanged(topics)

    async def run(self) -> None:
        """Have the partitions assigned anew where a topic is another one, until cancelled.

        Also while nothing is committed: from an offset of the old topic, nothing of the new one may be stored.
        """
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._consumer.assignment() and await self._remade.look(self._topics):
                self._consumer._coordinator.request_rejoin()
