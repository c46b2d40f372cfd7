"""Reading what comes out: every output topic from where it ended when the job began."""

import asyncio
import contextlib
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from adapters.kafka.connection import KafkaConnection
from domain.errors import BrokerUnavailableError
from runtime.job.ledger import Ledger, Seen
from runtime.job.outputs import RESULT_TOPICS
from schemas.dead_letters import DeadLetter
from schemas.llm_calls import LLMCall
from schemas.results import Result
from schemas.topics import DEAD_LETTERS, LLM_CALLS

OnNew = Callable[[str, bytes, int | None], None]
"""Called with topic and value of each outcome of this job that is no repeat, and the line of the record that it is for
(None: it is for an LLM call)."""


class Follower:
    """Feeds a ledger from the output topics.

    Use: `start()` before anything is published, then `run()` as a task until the ledger is complete.
    """

    def __init__(self, connection: KafkaConnection, ledger: Ledger, on_new: OnNew) -> None:
        self._consumer = AIOKafkaConsumer(
            **connection.client_options(), enable_auto_commit=False, auto_offset_reset="earliest", max_poll_records=2000
        )
        self._ledger = ledger
        self._on_new = on_new
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
                raise BrokerUnavailableError(f"Kafka cannot be read any more: {type(error).__name__}.") from error
            for partition, messages in batches.items():
                for message in messages:
                    if message.value:
                        self._see(partition.topic, message.value)
            self._read.set()

    async def caught_up(self) -> None:
        """Return when all that is on the topics now has been read; `run` must be running.

        The calls behind a result are written before it, but to another partition: they may be read after it.
        """
        ends = await self._consumer.end_offsets(list(self._consumer.assignment()))
        for partition, end in ends.items():
            while await self._consumer.position(partition) < end:
                self._read.clear()
                await self._read.wait()

    async def stop(self) -> None:
        """Let go of the connection."""
        await self._consumer.stop()

    def _see(self, topic: str, value: bytes) -> None:
        """Enter one event into the ledger; what others wrote wrongly on a shared topic is not ours to judge."""
        with contextlib.suppress(ValidationError):
            if topic == LLM_CALLS.name:
                call = LLMCall.model_validate_json(value)
                self._ledger.llm_call(call.call_id, call.trace_id)
                return
            if topic == DEAD_LETTERS.name:
                self._see_dead_letter(DeadLetter.model_validate_json(value), value)
                return
            result_id = Result.model_validate_json(value).result_id
            if self._ledger.result(result_id) is Seen.NEW:
                self._on_new(topic, value, self._ledger.line_of(result_id))

    def _see_dead_letter(self, letter: DeadLetter, value: bytes) -> None:
        """A dead letter of a record; or one of an LLM call, which then will have no row.

        Only its id is looked at: the original may be missing, or damaged.
        """
        letter_id = letter.dead_letter_id
        if letter.source.topic == LLM_CALLS.name:
            if self._ledger.refused_call(letter_id) is Seen.NEW:
                self._on_new(DEAD_LETTERS.name, value, None)
        elif self._ledger.dead_letter(letter_id) is Seen.NEW:
            self._on_new(DEAD_LETTERS.name, value, self._ledger.line_of(letter_id))
