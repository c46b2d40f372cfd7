"""What was deleted before this group read it, on aiokafka's consumer."""

import asyncio
import logging
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from consumers.batches import Progress
from domain.delivery.deletion_watch import DeletionWatch

logger = logging.getLogger(__name__)


class PartitionWatch(DeletionWatch[TopicPartition]):
    """Tells what was deleted unread in the partitions of one consumer.

    Args:
        consumer: the consumer.
        progress: counted up here.
        patience: seconds to wait for the group's offsets.
    """

    def __init__(self, consumer: AIOKafkaConsumer, progress: Progress, patience: float) -> None:
        super().__init__(self._first, self._lost)
        self._consumer = consumer
        self._progress = progress
        self._patience = patience

    async def given(self, partitions: Iterable[TopicPartition]) -> None:
        """These partitions were assigned. Call it at once, so that no offset of ours can be committed before."""
        asked = list(partitions)
        offsets = await asyncio.gather(*map(self._committed, asked))
        self.assigned(dict(zip(asked, offsets, strict=True)))

    async def _committed(self, partition: TopicPartition) -> int | None:
        try:
            async with asyncio.timeout(self._patience):
                offset: int | None = await self._consumer.committed(partition)
        except (KafkaError, TimeoutError) as error:
            logger.warning(
                "Kafka does not tell the group's offset of %s partition %d (%s): nobody knows whether messages were "
                "deleted there before they were read",
                *partition,
                type(error).__name__,
            )
            return None
        return offset

    async def _first(self, partition: TopicPartition) -> int:
        first: int = (await self._consumer.beginning_offsets([partition]))[partition]
        return first

    def _lost(self, messages: int) -> None:
        self._progress.deleted_unread += messages
