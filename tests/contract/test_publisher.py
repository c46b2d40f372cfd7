"""What every EventPublisher promises: the fake that tests use, and the real one."""

import asyncio
import secrets

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.publisher import KafkaPublisher
from domain.errors import BrokerUnavailableError, TooLargeError
from domain.ports import OutboundMessage
from tests.fakes import FakePublisher

LIMIT = 1024 * 1024


class FakeSide:
    """The fake, told to refuse what Kafka would."""

    def __init__(self) -> None:
        self.topic = self.narrow = "feedback.summaries"
        self.publisher = self.hasty = FakePublisher()
        self.publisher.refuse = self._refuse

    def _refuse(self, message: OutboundMessage) -> None:
        if len(message.value or b"") > LIMIT:
            raise TooLargeError("too large")
        if message.topic == "missing":
            raise BrokerUnavailableError("no such topic")

    def too_much(self, number: int) -> int:
        """Bytes, of which every fifth number has more than the narrow topic takes."""
        return LIMIT + 1 if number % 5 == 0 else 300

    async def arrived(self, count: int, topic: str | None = None) -> list[tuple]:
        """The first messages."""
        return [(m.key, m.value, m.headers) for m in self.publisher.acknowledged][:count]


class RealSide:
    """Kafka, with a topic of its own."""

    def __init__(self, bootstrap: str, publisher: KafkaPublisher, hasty: KafkaPublisher, topic: str) -> None:
        self.bootstrap, self.publisher, self.hasty = bootstrap, publisher, hasty
        self.topic, self.narrow = topic, f"{topic}.narrow"

    def too_much(self, number: int) -> int:
        """Bytes, of which every fifth number has more than the narrow topic takes."""
        return 2000 if number % 5 == 0 else 300

    async def arrived(self, count: int, topic: str | None = None) -> list[tuple]:
        """The first messages."""
        messages: list[tuple] = []
        consumer = AIOKafkaConsumer(topic or self.topic, bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        async with consumer, asyncio.timeout(20):
            while len(messages) < count:
                record = await consumer.getone()
                messages.append((record.key, record.value, tuple(record.headers)))
        return messages


@pytest.fixture(params=["fake", "kafka"])
async def side(request, kafka):
    if request.param == "fake":
        yield FakeSide()
        return
    bootstrap = kafka.bootstrap_servers
    topic = f"contract-{secrets.token_hex(4)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    narrow = NewTopic(f"{topic}.narrow", 2, 1, topic_configs={"max.message.bytes": "1000"})
    await admin.create_topics([NewTopic(topic, 1, 1), narrow])
    await admin.close()
    connection = KafkaConnection(bootstrap)
    async with KafkaPublisher(connection, 60) as publisher, KafkaPublisher(connection, 1) as hasty:
        yield RealSide(bootstrap, publisher, hasty, topic)


async def test_published_messages_are_there_as_they_were(side):
    headers = (("ce_id", b"1"), ("ce_id", b"2"))
    await side.publisher.publish(OutboundMessage(side.topic, b"key", b"value", headers))
    await side.publisher.publish(OutboundMessage(side.topic, None, b"no key"))
    await side.publisher.publish(OutboundMessage(side.topic, b"key", None))
    assert await side.arrived(3) == [(b"key", b"value", headers), (None, b"no key", ()), (b"key", None, ())]


async def test_many_at_once_all_arrive(side):
    sent = {b"%d" % number for number in range(500)}
    await asyncio.gather(*(side.publisher.publish(OutboundMessage(side.topic, b"k", value)) for value in sent))
    assert {value for _, value, _ in await side.arrived(500)} == sent


@pytest.mark.parametrize("size", [LIMIT + 500_000, 5 * LIMIT])
async def test_too_large_is_refused_and_neighbours_arrive(side, size):
    async def small(number: int) -> None:
        await side.publisher.publish(OutboundMessage(side.topic, b"k", b"%d" % number))

    before = [asyncio.create_task(small(number)) for number in range(20)]
    with pytest.raises(TooLargeError):
        await side.publisher.publish(OutboundMessage(side.topic, b"k", b"x" * size))
    await asyncio.gather(*before, *(small(number) for number in range(20, 40)))
    assert {value for _, value, _ in await side.arrived(40)} >= {b"%d" % number for number in range(40)}


async def test_small_messages_arrive_where_no_two_of_them_fit_into_one_batch(side):
    sent = {(b"key %d" % number, b"%d" % number * 200, ((f"h{number}", b"x"),)) for number in range(10, 30)}
    await asyncio.gather(*(side.publisher.publish(OutboundMessage(side.narrow, *parts)) for parts in sent))
    assert set(await side.arrived(len(sent), side.narrow)) == sent


async def test_many_that_are_too_large_hold_nobody_up(side):
    """With each refusal the producer is replaced, while others wait for room in its queue."""

    async def send(number: int) -> bool:
        topic = side.topic if number % 5 > 2 else side.narrow
        try:
            await side.publisher.publish(OutboundMessage(topic, b"%d" % number, b"x" * side.too_much(number)))
        except TooLargeError:
            return False
        return True

    async with asyncio.timeout(40):
        arrived = await asyncio.gather(*(send(number) for number in range(300)))
    assert arrived == [number % 5 != 0 for number in range(300)]


async def test_what_nobody_takes_is_a_broker_error(side):
    with pytest.raises(BrokerUnavailableError):
        await side.hasty.publish(OutboundMessage("missing", b"k", b"v"))


async def test_a_cancelled_send_harms_no_later_one(side):
    sending = asyncio.create_task(side.publisher.publish(OutboundMessage(side.topic, b"k", b"given up")))
    await asyncio.sleep(0)
    sending.cancel()
    await asyncio.wait({sending})
    await side.publisher.publish(OutboundMessage(side.topic, b"k", b"kept"))
    assert b"kept" in {value for _, value, _ in await side.arrived(1)} or (await side.arrived(2))[1][1] == b"kept"
