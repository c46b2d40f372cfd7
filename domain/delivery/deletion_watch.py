"""Says what was deleted unread, while a process reads: asks Kafka where there is a suspicion, and never otherwise."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic

from domain.delivery.deletions import Deletions, Offset, P

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
ANSWER_SECONDS = 5.0
LAST_LOOK_SECONDS = 0.5


class DeletionWatch(Generic[P]):
    """Of one process that reads.

    Args:
        beginning: asks Kafka for a partition's first offset.
        count: told how many messages were lost, each time that some were.
    """

    def __init__(self, beginning: Callable[[P], Awaitable[int]], count: Callable[[int], None]) -> None:
        self._beginning = beginning
        self._count = count
        self._deletions: Deletions[P] = Deletions()
        self._roused = asyncio.Event()

    def assigned(self, committed: Mapping[P, int | None]) -> None:
        """As in `Deletions`."""
        self._deletions.assigned(committed)
        self._roused.set()

    def revoked(self) -> None:
        """As in `Deletions`."""
        self._deletions.revoked()

    def arrived(self, records: Mapping[P, Sequence[Offset]]) -> None:
        """As in `Deletions`, of several partitions. Costs the same for one message and for hundreds."""
        for partition, messages in records.items():
            if messages and self._deletions.arrived(partition, messages):
                self._roused.set()

    def passing(self, finished: Mapping[P, int]) -> dict[P, int]:
        """As in `Deletions`. Only what was told is passed."""
        return self._deletions.passing(finished)

    async def run(self) -> None:
        """Look as soon as there is a suspicion, but once in `LOOK_SECONDS` at most, until cancelled."""
        while True:
            await self._roused.wait()
            await self.look()
            if not self._deletions.suspicions():
                self._roused.clear()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Ask about all that is suspicious now, and say what is lost; what Kafka does not answer is asked again."""
        asked = self._deletions.suspicions()
        if not asked:
            return
        partitions = list({suspicion.partition for suspicion in asked})
        answers = await asyncio.gather(*map(self._ask, partitions))
        told = {partition: first for partition, first in zip(partitions, answers, strict=True) if first is not None}
        for lost in self._deletions.resolve(asked, told):
            logger.error("%s", lost.as_loss)
            self._count(lost.end - lost.first)

    async def last_look(self) -> None:
        """As the process ends: what is suspicious now may be committed, and then nobody else would see it."""
        try:
            async with asyncio.timeout(LAST_LOOK_SECONDS):
                await self.look()
        except TimeoutError:
            logger.warning("Kafka did not tell in time whether messages were deleted before they were read")

    async def _ask(self, partition: P) -> int | None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._beginning(partition)
        except Exception as error:  # noqa: BLE001 - whatever it is, the work goes on, and it is asked again
            logger.debug("the beginning of partition %d is not told (%s)", partition.partition, type(error).__name__)
            return None
