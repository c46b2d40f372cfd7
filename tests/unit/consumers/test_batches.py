"""One batch to its end: rows, dead letters, and the outages in between."""

import base64

import pytest

from consumers.batches import BatchSettler, Progress
from consumers.llm_calls import llm_call_tables
from domain.errors import BrokerUnavailableError, TooLargeError
from domain.ports import OutboundMessage
from tests.builders import a_message
from tests.fakes import FakePublisher
from tests.usage_support import MemorySink, llm_call, many_calls


class Rig:
    """A settler over ports in memory, whose pauses take no time."""

    def __init__(self) -> None:
        self.sink, self.publisher, self.progress = MemorySink(), FakePublisher(), Progress()
        self.pauses: list[float] = []
        self.settler = BatchSettler(llm_call_tables(self.sink), self.publisher, self.progress, self.pause)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def settle(self, *values):
        messages = [a_message(value, topic="llm.calls") for value in values]
        await self.settler.settle(messages)
        return messages


@pytest.fixture
def rig():
    return Rig()


async def test_good_calls_are_stored_once(rig):
    calls = many_calls(3)

    await rig.settle(*calls, calls[0])

    assert set(rig.sink.rows) == {call.call_id for call in calls}
    assert (rig.progress.stored, rig.progress.repeated, rig.progress.dead_lettered) == (3, 1, 0)


async def test_bad_events_are_dead_letters_and_their_neighbours_are_stored(rig):
    good = many_calls(2)

    messages = await rig.settle(good[0], b"not json", b"", b'{"schema_version": 9}', b"{}", good[1])

    letters = rig.publisher.dead_letters()
    assert [letter.reason for letter in letters] == ["not_json", "empty_payload", "unknown_version", "wrong_schema"]
    assert [letter.source.offset for letter in letters] == [message.offset for message in messages[1:5]]
    assert base64.b64decode(letters[0].value_base64) == b"not json"
    assert {message.key for message in rig.publisher.acknowledged} == {b"key"}
    assert len(rig.sink.rows) == 2


async def test_a_row_that_the_store_refuses_is_a_dead_letter_with_its_tenant(rig):
    refused = llm_call(provider="a\x00b")

    await rig.settle(llm_call(), refused, llm_call())

    (letter,) = rig.publisher.dead_letters()
    assert (letter.reason, letter.tenant_id) == ("not_storable", "red-cross")
    assert base64.b64decode(letter.value_base64) == refused.to_bytes()
    assert len(rig.sink.rows) == 2


async def test_the_dead_letter_of_a_repeated_message_has_the_same_id(rig):
    message = a_message(b"not json", topic="llm.calls")

    await rig.settler.settle([message])
    await rig.settler.settle([message])

    first, second = rig.publisher.dead_letters()
    assert first.dead_letter_id == second.dead_letter_id


async def test_an_outage_of_the_store_is_waited_out_with_growing_bounded_pauses(rig):
    rig.sink.failures = 12

    await rig.settle(llm_call())

    assert len(rig.sink.rows) == 1
    assert len(rig.pauses) == 12
    assert rig.pauses[0] <= 0.1 < rig.pauses[5]
    assert max(rig.pauses) <= 5.0
    assert rig.progress.outages == 1


async def test_an_outage_of_the_broker_is_waited_out_before_the_batch_is_done(rig):
    refusals = [BrokerUnavailableError("Kafka did not acknowledge."), BrokerUnavailableError("Still not.")]

    def refuse(_: OutboundMessage) -> None:
        if refusals:
            raise refusals.pop()

    rig.publisher.refuse = refuse

    await rig.settle(b"not json")

    assert len(rig.publisher.dead_letters()) == 1
    assert len(rig.pauses) == 2


async def test_a_dead_letter_that_outgrows_the_broker_goes_without_the_original(rig):
    def refuse(message: OutboundMessage) -> None:
        if len(message.value or b"") > 10_000:
            raise TooLargeError("The message is too large.")

    rig.publisher.refuse = refuse

    await rig.settle(b"x" * 9_000)

    (letter,) = rig.publisher.dead_letters()
    assert (letter.reason, letter.value_base64, letter.source.topic) == ("not_json", None, "llm.calls")
