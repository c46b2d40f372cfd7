"""Tells the database how far a consumer is, also where it has nothing to do: the read API cannot ask Kafka."""

import asyncio
import logging
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition

from consumers.batches import Progress
from domain.usage.freshness import Position, PositionSink

logger = logging.getLogger(__name__)

TELL_SECONDS = 5.0
PATIENCE_SECONDS = 4.0


class PositionTeller:
    """Tells every few seconds. Whatever fails is counted, and told anew the next time: nothing depends on it.

    Args:
        consumer: the consumer.
        unsettled: the first offset of a partition that was read and is not settled; None: all that was read is.
        sink: where it is told; None: nowhere.
        progress: failures are counted here.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        unsettled: Callable[[TopicPartition], int | None],
        sink: PositionSink | None,
        progress: Progress,
    ) -> None:
        self._consumer = consumer
        self._unsettled = unsettled
        self._sink = sink
        self._progress = progress

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            await self.tell()
            await asyncio.sleep(TELL_SECONDS)

    async def tell(self) -> None:
        """Tell of all partitions that are ours."""
        partitions = sorted(self._consumer.assignment())
        if self._sink is None or not partitions:
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                # How far first, as it was before the end was where it is said to be: nothing is told to be stored that
                # is not.
                nexts = {partition: await self._next(partition) for partition in partitions}
                ends = await self._consumer.end_offsets(partitions)
                mine = self._consumer.assignment()
                await self._sink.write(
                    [
                        Position(one.topic, one.partition, nexts[one], max(ends[one], nexts[one]))
                        for one in partitions
                        if one in mine
                    ]
                )
        except Exception as error:  # noqa: BLE001 - a figure is older then, and no more than that
            self._progress.untold += 1
            logger.debug("it cannot be told how far this consumer is (%s)", type(error).__name__)

    async def _next(self, partition: TopicPartition) -> int:
        position: int = await self._consumer.position(partition)  # passes the markers of transactions, too
        first = self._unsettled(partition)
        return position if first is None else min(first, position)
