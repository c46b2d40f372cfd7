"""Reading what comes out: every output topic from where it ended when the job began."""

import asyncio
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from adapters.kafka.connection import KafkaConnection
from domain.errors import BrokerUnavailableError
from runtime.job.outputs import RESULT_TOPICS
from schemas.topics import LLM_CALLS


class Follower:
    """Reads the output topics.

    Use: `start()` before anything is published, then `run()` as a task for as long as something is waited for.

    Args:
        connection: the Kafka to read from.
        enter: called with topic and value of each event.
    """

    def __init__(self, connection: KafkaConnection, enter: Callable[[str, bytes], None]) -> None:
        self._consumer = AIOKafkaConsumer(
            **connection.client_options(), enable_auto_commit=False, auto_offset_reset="earliest", max_poll_records=2000
        )
        self._enter = enter
        self._read = asyncio.Event()

    async def start(self) -> None:
        """Note where every output topic ends now.

        Raises:
            BrokerUnavailableError: Kafka cannot be reached.
        """
        try:
            await self._consumer.start()
            partitions = [
                TopicPartition(topic.name, partition)
                for topic in (*RESULT_TOPICS, LLM_CALLS)
                for partition in await self._partitions(topic.name)
            ]
            self._consumer.assign(partitions)
            for partition, offset in (await self._consumer.end_offsets(partitions)).items():
                self._consumer.seek(partition, offset)
        except KafkaError as error:
            raise BrokerUnavailableError(f"Kafka cannot be read: {type(error).__name__}.") from error

    async def _partitions(self, topic: str) -> list[int]:
        await self._consumer._client.force_metadata_update()  # no public way without a subscription
        return sorted(self._consumer.partitions_for_topic(topic) or ())

    async def run(self) -> None:
        """Read until cancelled.

        Raises:
            BrokerUnavailableError: Kafka refuses to be read any further.
        """
        while True:
            try:
                batches = await self._consumer.getmany(timeout_ms=500)
            except KafkaError as error:
                raise _unreadable(error) from error
            for partition, messages in batches.items():
                for message in messages:
                    if message.value:
                        self._enter(partition.topic, message.value)
            self._read.set()

    async def caught_up(self) -> None:
        """Return when all that is on the topics now has been read; `run` must be running.

        The calls behind a result are written before it, but to another partition: they may be read after it.

        Raises:
            BrokerUnavailableError: Kafka does not tell where the topics end.
        """
        try:
            ends = await self._consumer.end_offsets(list(self._consumer.assignment()))
            for partition, end in ends.items():
                while await self._consumer.position(partition) < end:
                    self._read.clear()
                    await self._read.wait()
        except KafkaError as error:
            raise _unreadable(error) from error

    async def stop(self) -> None:
        """Let go of the connection."""
        await self._consumer.stop()


def _unreadable(error: KafkaError) -> BrokerUnavailableError:
    return BrokerUnavailableError(f"Kafka cannot be read any more: {type(error).__name__}.")
