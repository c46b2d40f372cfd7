"""Which dead letters there are, and which are meant."""

import json
from base64 import b64encode
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.dead_letters.register import Filter, Register
from schemas.dead_letters import DeadLetter
from tests.builders import NOON


def a_letter(**fields) -> DeadLetter:
    source = {"topic": "feedback.records", "partition": 0, "offset": fields.pop("offset", 7)}
    source["topic"] = fields.pop("topic", source["topic"])
    usual = {
        "dead_letter_id": uuid4(),
        "tenant_id": "red-hill",
        "record_id": "record-1",
        "reason": "not_json",
        "error_class": "NotJSONError",
        "message": "The value is not JSON in UTF-8, or null.",
        "attempts": 0,
        "source": source,
        "key_base64": b64encode(b"key").decode(),
        "value_base64": b64encode(b"{oops").decode(),
        "failed_at": NOON,
    }
    return DeadLetter.model_validate(usual | fields)


def a_register(*letters: DeadLetter, **chosen) -> Register:
    register = Register(Filter(**chosen))
    for offset, letter in enumerate(letters):
        register.enter(letter.to_bytes(), 0, offset)
    return register


def later(minutes: int) -> dict:
    return {"failed_at": NOON + timedelta(minutes=minutes)}


def test_several_tenants_may_be_meant():
    letters = [a_letter(tenant_id=name) for name in ("a", "b", "c", None)]
    register = a_register(*letters, tenants={"a", "c", "d"})
    assert {known.tenant_id for known in register.matching()} == {"a", "c"}
    assert register.in_all == 4


def test_repeats_are_one_with_its_latest_failure():
    one = UUID(int=1)
    letters = [
        a_letter(dead_letter_id=one, offset=9, reason="llm_error", **later(5)),
        a_letter(dead_letter_id=one, offset=3),
        a_letter(**later(1)),
    ]
    other, known = a_register(*letters).matching()
    assert (known.dead_letter_id, known.times, known.reason, known.source[2]) == (one, 2, "llm_error", 9)
    assert known.failed_at == NOON + timedelta(minutes=5)
    assert (known.stands_at, other.times) == ((0, 0), 1)


@pytest.mark.parametrize(
    ("failures", "sent", "since"),
    [
        ((0, 5), (1, 6), 0),
        ((5, 0), (1, 6), 0),
        ((10**6, 10**6 + 1), (1, 6), 1),  # clocks that go wrong, or a forger, tell of the future
        ((0, 5), (1, None), None),
        ((0, 5), (None, 6), None),
    ],
)
def test_no_replay_is_older_than_the_first_failure_whatever_the_letters_say(failures, sent, since):
    register = Register()
    for minutes, sent_minutes in zip(failures, sent, strict=True):
        sent_at = None if sent_minutes is None else NOON + timedelta(minutes=sent_minutes)
        register.enter(a_letter(dead_letter_id=UUID(int=1), **later(minutes)).to_bytes(), 0, 0, sent_at)
    (known,) = register.matching()
    assert known.since == (None if since is None else NOON + timedelta(minutes=since))


@pytest.mark.parametrize(
    "bad",
    [
        *(
            {"failed_at": time}
            for time in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z")
        ),
        {"source": {"timestamp": "0001-01-01T00:00:00+14:00"}},
        {"source": {"partition": 2**31}},
        {"source": {"offset": 2**63}},
        {"attempts": 2**31},
    ],
)
def test_what_no_kafka_and_no_calendar_holds_is_no_dead_letter(bad):
    letter = json.loads(a_letter().to_bytes())
    value = letter | bad | {"source": letter["source"] | bad.get("source", {})}
    register = Register()
    assert register.enter(json.dumps(value).encode(), 0, 0, NOON) is None
    assert (register.invalid, register.matching()) == (1, [])


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({}, [0, 1, 2]),
        ({"reason": "llm_error"}, [1]),
        ({"tenant": "other"}, [2]),
        ({"operation": "summarize"}, [1]),
        ({"since": NOON + timedelta(minutes=1)}, [1, 2]),
        ({"until": NOON + timedelta(minutes=1)}, [0]),
        ({"since": NOON + timedelta(minutes=1), "until": NOON + timedelta(minutes=2)}, [1]),
        ({"tenant": "red-hill", "reason": "wrong_schema"}, []),
        ({"ids": {UUID(int=2), UUID(int=9)}}, [2]),
    ],
)
def test_the_filter(chosen, found):
    letters = [
        a_letter(dead_letter_id=UUID(int=0)),
        a_letter(dead_letter_id=UUID(int=1), reason="llm_error", operation="summarize", **later(1)),
        a_letter(dead_letter_id=UUID(int=2), tenant_id="other", **later(2)),
    ]
    assert [known.dead_letter_id.int for known in a_register(*letters, **chosen).matching()] == found


def test_a_reason_is_that_of_the_latest_failure():
    one = UUID(int=1)
    letters = [a_letter(dead_letter_id=one), a_letter(dead_letter_id=one, reason="llm_error", **later(1))]
    assert a_register(*letters, reason="not_json").matching() == []
    assert len(a_register(*letters, reason="llm_error").matching()) == 1


def test_what_is_no_dead_letter_is_counted():
    register = a_register(a_letter(), a_letter(schema_version=2))
    for value in (None, b"", b"{", b"[]", b'{"dead_letter_id": 1}', b"\xff"):
        register.enter(value, 0, 0)
    assert (register.invalid, len(register.matching())) == (7, 1)
