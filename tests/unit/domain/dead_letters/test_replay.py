"""What a replay is, what may be replayed, and that whoever reads it takes it for the same input."""

from uuid import UUID

import pytest

from consumers.batches import BatchSettler, Progress
from consumers.llm_calls import llm_call_tables
from domain.dead_letters.originals import DamagedError, message_of
from domain.dead_letters.replay import (
    FOREIGN,
    NO_TOPIC,
    SUPERSEDED,
    WITHOUT_KEY,
    WITHOUT_ORIGINAL,
    Plan,
    Replays,
    mark_of,
)
from domain.delivery import replays
from domain.delivery.dead_letters import DeadLetters, Failure
from domain.delivery.replays import asked_again
from domain.errors import EmptyPayloadError, NotJSONError, TooLargeError, UnknownFrameworkError
from schemas.cloudevents import identify
from schemas.operations import RecordOperation
from tests.builders import a_message, a_record
from tests.fakes import FakePublisher
from tests.unit.domain.dead_letters.test_register import a_letter, a_register

ERROR = NotJSONError("The value is not JSON in UTF-8, or null.")
RECORDS, FRAMEWORKS = "feedback.records", "feedback.frameworks"


async def buried(message, error=ERROR, operation=None):
    publisher = FakePublisher()
    await DeadLetters(publisher).publish(message, Failure.of(error, operation))
    return publisher.dead_letters()[0]


def again(outbound, offset=99):
    """The replay as its reader gets it."""
    return a_message(outbound.value, topic=outbound.topic, key=outbound.key, headers=outbound.headers, offset=offset)


@pytest.mark.parametrize("topic", [RECORDS, "feedback.requests", FRAMEWORKS, "llm.calls"])
@pytest.mark.parametrize(
    "headers",
    [
        (("ce_source", b"crm"), ("ce_id", b"1"), ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")),
        (("ce_source", b"crm"), ("x", None), ("x", b"\xff\x00")),
        (),
    ],
)
@pytest.mark.parametrize(("key", "value"), [(b"k\xff", b"\xff{"), (None, b"{"), (b"k", b""), (b"k", None)])
async def test_a_replay_is_the_same_input(topic, headers, key, value):
    message = a_message(value, topic=topic, key=key, headers=headers, offset=5)
    letter = await buried(message, ERROR if value else EmptyPayloadError("The message has no value."))
    replay = again(message_of(letter))
    assert (replay.topic, replay.key, replay.value) == (topic, key, value)
    assert replay.headers[: len(headers)] == headers
    assert dict(replay.headers[len(headers) :]) == {
        replays.OF: str(letter.dead_letter_id).encode(),
        replays.AT: f"{topic}:0:5".encode(),
    }
    who = identify(topic, key, value, headers)
    assert identify(replay.topic, replay.key, replay.value, replay.headers) == who
    assert (await buried(replay)).dead_letter_id == letter.dead_letter_id


async def test_what_failed_again_is_replayed_with_headers_of_its_own():
    record = a_record()
    first = await buried(a_message(record, offset=5), UnknownFrameworkError("No."), "summarize")
    second = await buried(again(message_of(first), offset=9), UnknownFrameworkError("No."), "summarize")
    assert second.result_id == first.result_id
    headers = message_of(second).headers
    assert [value for name, value in headers if name == replays.AT] == [b"feedback.records:0:9"]
    assert [value for name, value in headers if name == replays.OPERATIONS] == [b"summarize"]
    assert len(headers) == 3


async def test_a_limit_stays_where_the_dead_letter_names_no_operation():
    limited = a_message(b"{", headers=((replays.OPERATIONS, b"summarize"),))
    assert (replays.OPERATIONS, b"summarize") in message_of(await buried(limited)).headers


def test_the_operations_that_are_asked_again():
    both = (RecordOperation.ASSIGN_CODES, RecordOperation.SUMMARIZE)
    for value, expected in [
        (b"summarize", both[1:]),
        (b" summarize , assign_codes", both),
        (b"summarize,dance", both[1:]),
        (b"dance", both),
        (b"detect_sensitive", both),
        (b"\xff", both),
        (b"", both),
        (None, both),
    ]:
        assert asked_again(((replays.OPERATIONS, value),), both) == expected
    assert asked_again((), both) == both


def planned(*letters, seen=(), topics=(RECORDS, FRAMEWORKS), firsts=None):
    matched = a_register(*letters).matching()
    found = Replays(matched)
    found.begins(RECORDS, firsts or {})
    for topic, offset, key, headers, *value in seen:
        found.see(topic, 0, offset, key, *(value or [b"{oops"]), headers)
    return Plan.of(matched, found, set(topics))


def marks(letter):
    source = letter.source
    at = f"{source.topic}:{source.partition}:{source.offset}".encode()
    return ((replays.OF, str(letter.dead_letter_id).encode()), (replays.AT, at))


def test_each_failure_is_replayed_once():
    one, other = a_letter(dead_letter_id=UUID(int=1)), a_letter(dead_letter_id=UUID(int=2))
    plan = planned(one, other, seen=[(RECORDS, 8, b"key", marks(one)), (RECORDS, 9, b"key", ())])
    assert ([known.dead_letter_id.int for known in plan.replay], plan.already) == ([2], 1)
    failed_again = a_letter(dead_letter_id=UUID(int=1), offset=8)
    plan = planned(one, failed_again, seen=[(RECORDS, 8, b"key", marks(one))])
    assert ([mark_of(known)[1] for known in plan.replay], plan.already) == (["feedback.records:0:8"], 0)


@pytest.mark.parametrize(
    ("key", "value", "headers", "counts"),
    [
        (b"key", b"{oops", (), True),
        (b"key", b"{oops", (("x", b"y"),), True),
        (b"other", b"{oops", (), False),
        (None, b"{oops", (), False),
        (b"key", b"{}", (), False),
        (b"key", None, (), False),
        (b"key{", b"oops", (), False),
        (b"key", b"{oops", (("ce_id", b"1"), ("ce_source", b"s")), False),
        (b"key", b"{oops", ((replays.OPERATIONS, b"summarize"),), False),
    ],
)
def test_only_what_asks_the_same_counts_as_a_replay(key, value, headers, counts):
    """Any producer can write the marks; else it could keep a failure from ever being replayed, and nobody be told."""
    letter = a_letter()
    plan = planned(letter, seen=[(RECORDS, 8, key, (*headers, *marks(letter)), value)])
    assert (plan.already, len(plan.replay)) == ((1, 0) if counts else (0, 1))


@pytest.mark.parametrize("value_base64", ["a", None])
def test_what_has_no_readable_original_was_not_replayed(value_base64):
    letter = a_letter(value_base64=value_base64)
    assert planned(letter, seen=[(RECORDS, 8, b"key", marks(letter), None)]).already == 0


def test_doubts_where_a_replay_may_have_been_deleted():
    letters = [a_letter(offset=offset) for offset in (5, 6, 7, 8)]
    replayed = [(RECORDS, 9, b"key", marks(letters[0]))]
    plan = planned(*letters, seen=replayed, firsts={0: 8})
    assert (plan.already, len(plan.replay), plan.forgotten) == (1, 3, 1)
    (told,) = plan.doubts()
    assert told.startswith("1 of 3 may have been replayed before")
    assert not list(planned(*letters, firsts={0: 6, 1: 99}).doubts())


def test_inputs_are_sent_to_topics_of_inputs_alone():
    """Whoever may write dead letters could have a replay publish anything anywhere."""
    inputs = [RECORDS, FRAMEWORKS, "feedback.requests", "llm.calls"]
    foreign = ["payments", "feedback.summaries", "feedback.dead-letters", "__consumer_offsets", ""]
    letters = [a_letter(topic=topic) for topic in inputs + foreign]
    plan = planned(*letters, seen=[("payments", 8, b"key", marks(letters[4]))], topics=inputs + foreign)
    assert sorted(known.source[0] for known in plan.replay) == sorted(inputs)
    assert {reason: len(refused) for reason, refused in plan.impossible.items()} == {FOREIGN: 5}
    assert plan.by_topic == "1 to feedback.frameworks, 1 to feedback.records, 1 to feedback.requests, 1 to llm.calls"


async def test_what_cannot_be_replayed():
    huge = a_message(b"{" * 500, offset=1)
    publisher = FakePublisher()

    def refuse(message):
        if len(message.value) > 500:
            raise TooLargeError("too large")

    publisher.refuse = refuse
    await DeadLetters(publisher).publish(huge, Failure.of(EmptyPayloadError("The message's value is empty.")))
    (without,) = publisher.dead_letters()
    gone = a_letter(topic="feedback.requests")
    plan = planned(without, gone, a_letter())
    assert set(plan.impossible) == {WITHOUT_ORIGINAL, NO_TOPIC}
    assert (plan.refused, len(plan.replay)) == (2, 1)
    assert any(str(gone.dead_letter_id) in sentence for sentence in plan.refusals())
    with pytest.raises(DamagedError):
        message_of(without)
    with pytest.raises(DamagedError):
        message_of(a_letter(value_base64="a"))


def test_a_framework_with_a_newer_version_is_not_replayed():
    """Its replay would be the newest value of its key, and bring the old version back."""
    old, new = a_letter(topic=FRAMEWORKS, offset=3), a_letter(topic=FRAMEWORKS, offset=5)
    on_topic = [(FRAMEWORKS, 3, b"key", ()), (FRAMEWORKS, 4, b"other", ()), (FRAMEWORKS, 5, b"key", ())]
    plan = planned(old, new, a_letter(topic=FRAMEWORKS, key_base64=None), seen=on_topic)
    assert {reason: len(refused) for reason, refused in plan.impossible.items()} == {SUPERSEDED: 1, WITHOUT_KEY: 1}
    assert [known.dead_letter_id for known in plan.replay] == [new.dead_letter_id]


async def test_the_consumer_of_llm_calls_takes_a_replay_for_the_same_call():
    publisher = FakePublisher()
    settler = BatchSettler(llm_call_tables(None), publisher, Progress())
    await settler.settle([a_message(b"{", topic="llm.calls", headers=(("ce_source", b"s"), ("ce_id", b"1")), offset=1)])
    await settler.settle([again(message_of(publisher.dead_letters()[0]))])
    first, second = publisher.dead_letters()
    assert first.dead_letter_id == second.dead_letter_id
    assert (first.source.offset, second.source.offset) == (1, 99)
