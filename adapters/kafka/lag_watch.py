"""How far a consumer group is behind: asked of Kafka once in a while, kept for whoever watches.

What a consumer knows by itself goes stale when it stops fetching, with a full window or an open circuit breaker, and
that is when people look. Hence requests of our own, five in ten seconds, on connections of their own.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.lag import offsets_of, partition_lags, places_of
from domain.lag import PartitionLag

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
ANSWER_SECONDS = 10.0
CLOSE_SECONDS = 2.0
REMEMBER_SECONDS = 3600.0
"""A reader whose next messages were deleted moves on at once: long before anybody has looked."""

Place = tuple[str, int]
"""Topic and partition."""


class LagWatch:
    """Looks every `LOOK_SECONDS`; what it saw last may be read from any thread.

    Attributes:
        latest: of all partitions, those that nobody holds too; replaced as a whole.
        lost: how many messages were deleted unread, the most that was seen within `REMEMBER_SECONDS`, and when; by
            topic and partition, where there were any; replaced as a whole.

    Args:
        connection: how to reach Kafka.
        group_id: the group.
        topics: what it reads; one that is not there is left out.
        clock: counts seconds.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        group_id: str,
        topics: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.latest: tuple[PartitionLag, ...] = ()
        self.lost: Mapping[Place, tuple[int, float]] = {}
        self._connection = connection
        self._group_id = group_id
        self._topics = list(topics)
        self._clock = clock
        self._seen_at = clock()
        self._had_offsets = False

    @property
    def age_seconds(self) -> float:
        """How long ago Kafka last told; since the start where it never has."""
        return self._clock() - self._seen_at

    async def run(self) -> None:
        """Look again and again, until cancelled. Whatever fails is tried again: nothing depends on it."""
        while True:
            try:
                async with self._clients() as (admin, consumer):
                    while True:
                        async with asyncio.timeout(ANSWER_SECONDS):
                            await self._look(admin, consumer)
                        await asyncio.sleep(LOOK_SECONDS)
            except (KafkaError, OSError, TimeoutError) as error:
                log.debug("Kafka does not tell the lag (%s)", type(error).__name__)
            except Exception as error:  # noqa: BLE001 - figures are missing then, and no more than that
                log.warning("the lag cannot be told (%s)", type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    def note(self, found: Iterable[PartitionLag]) -> None:
        """Take in what Kafka told."""
        self.latest = tuple(found)
        now = self._seen_at = self._clock()
        lost = {place: (count, at) for place, (count, at) in self.lost.items() if now - at < REMEMBER_SECONDS}
        for one in self.latest:
            if one.deleted_unread:
                before, _ = lost.get((one.topic, one.partition), (0, now))
                lost[one.topic, one.partition] = (max(one.deleted_unread, before), now)
        self.lost = lost

    @asynccontextmanager
    async def _clients(self) -> AsyncIterator[tuple[AIOKafkaAdminClient, AIOKafkaConsumer]]:
        options = self._connection.client_options()
        admin = AIOKafkaAdminClient(**options)
        consumer = AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await admin.start()
                await consumer.start()
            yield admin, consumer
        finally:
            for close in (admin.close, consumer.stop):
                with contextlib.suppress(KafkaError, OSError, TimeoutError):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await close()

    async def _look(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
        places = [place for its in (await places_of(consumer, self._topics)).values() for place in its]
        if not places:
            return
        committed = await offsets_of(admin, self._group_id)
        had, self._had_offsets = self._had_offsets, bool(committed)
        if had and not committed:
            return  # a coordinator that is still loading answers so, once: no reason to call everything unread
        self.note(await partition_lags(consumer, places, committed))
