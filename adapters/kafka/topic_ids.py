"""Which topic it is that bears a name now: Kafka gives each one an id, and a topic made anew gets another.

aiokafka asks for metadata in a version that has no ids yet (0.14: version 5; ids came with 10, in Kafka 2.8). So here
is that request, after Kafka's protocol guide, sent over aiokafka's own client.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from io import BytesIO
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion, InvalidTopicError, KafkaError, UnknownTopicOrPartitionError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from adapters.kafka.connection import KafkaConnection
from domain.errors import BrokerUnavailableError

log = logging.getLogger(__name__)

ANSWER_SECONDS = 3.0
_UUID_BYTES = 16
_NO_SUCH_TOPIC = (UnknownTopicOrPartitionError.errno, InvalidTopicError.errno)
"""The second: nor can there be one of that name."""


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]  # aiokafka has no types
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(_UUID_BYTES)


class _Answer10(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _Question10(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _Answer10
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("cluster_authorized_operations", Boolean),
        ("topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _Question(Request[_Question10]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_Question10]) -> _Question10:
        topics: list[tuple[bytes, str, dict[int, bytes]]] = [(bytes(_UUID_BYTES), name, {}) for name in self._topics]
        return request_struct_class(topics, False, False, False, {})


class KafkaTopicIds:
    """Asks Kafka, over a connection of its own, opened with the first question. Implements `domain.ports.TopicIds`."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._client: AIOKafkaClient | None = None
        self._too_old = False
        self._asking = asyncio.Lock()

    async def of(self, topics: Collection[str]) -> Mapping[str, str]:
        """The ids of these topics, as far as they exist; "" for all of a broker that is too old to have ids.

        Raises:
            BrokerUnavailableError: Kafka does not tell.
        """
        async with self._asking:  # one at a time: a question that fails closes the connection
            return await self._of(topics)

    async def _of(self, topics: Collection[str]) -> Mapping[str, str]:
        if self._too_old:
            return dict.fromkeys(topics, "")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return _ids(await self._asked(_Question(topics)))
        except (IncompatibleBrokerVersion, NotImplementedError):
            log.warning("Kafka is older than 2.8: a topic that is deleted and made anew under us is not noticed")
            self._too_old = True
            return dict.fromkeys(topics, "")
        except (KafkaError, OSError, TimeoutError) as error:
            await self.aclose()  # the next question begins with the addresses that we were given
            raise BrokerUnavailableError(f"Kafka does not tell its topics' ids ({type(error).__name__}).") from error

    async def aclose(self) -> None:
        """Close the connection; the next question opens another."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _asked(self, question: _Question) -> Any:
        if self._client is None:
            client = AIOKafkaClient(**self._connection.client_options())
            try:
                await client.bootstrap()
            except BaseException:
                await client.close()
                raise
            self._client = client
        return await self._client.send(self._client.get_random_node(), question)


def _ids(answer: Any) -> dict[str, str]:
    ids = {}
    for code, name, topic_id, *_ in answer.topics:
        if code == 0:
            ids[name] = topic_id.hex()
        elif code not in _NO_SUCH_TOPIC:
            raise KafkaError(f"error {code} of a topic")
    return ids
