"""A record of a Kafka client, as the domain knows it, whatever its producer put into it."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from domain.delivery.dead_letters import DeadLetters, Failure
from domain.delivery.messages import InboundMessage
from domain.errors import NotJSONError
from tests.fakes import FakePublisher


def a_record(timestamp, headers=()):
    return SimpleNamespace(topic="t", partition=1, offset=2, timestamp=timestamp, key=b"k", value=b"v", headers=headers)


def test_all_of_it_comes_along():
    message = InboundMessage.from_kafka(a_record(1_700_000_000_123, [("a", b"1"), ("a", None)]))
    sent = datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)
    assert message == InboundMessage("t", 1, 2, sent, b"k", b"v", (("a", b"1"), ("a", None)))
    assert InboundMessage.from_kafka(a_record(1_700_000_000, None), ticks_per_second=1).timestamp == sent.replace(
        microsecond=0
    )


@pytest.mark.parametrize(
    "timestamp", [None, -1, -(2**63), 0, 1_700_000_000_000_000, 1_700_000_000_000_000_000, 2**63 - 1, float("inf")]
)
@pytest.mark.parametrize("ticks_per_second", [1000, 1])
def test_an_impossible_time_is_none_and_no_error(timestamp, ticks_per_second):
    assert InboundMessage.from_kafka(a_record(timestamp), ticks_per_second).timestamp is None


@pytest.mark.parametrize(
    "sent_at",
    [
        datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(3000, 1, 1, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
    ],
)
async def test_a_dead_letter_can_be_written_whatever_time_the_producer_sent(sent_at):
    message = InboundMessage.from_kafka(a_record(sent_at.timestamp() * 1000))
    publisher = FakePublisher()
    await DeadLetters(publisher).publish(message, Failure.of(NotJSONError("No.")))
    (letter,) = publisher.dead_letters()
    assert letter.source.timestamp == (sent_at if 2000 <= sent_at.year < 3000 else None)
