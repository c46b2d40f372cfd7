"""Which dead letters there are, and which are meant."""

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


def test_repeats_are_one_with_its_latest_failure():
    one = UUID(int=1)
    letters = [
        a_letter(dead_letter_id=one, offset=9, reason="llm_error", **later(5)),
        a_letter(dead_letter_id=one, offset=3),
        a_letter(**later(1)),
    ]
    other, known = a_register(*letters).matching()
    assert (known.dead_letter_id, known.times, known.reason, known.source[2]) == (one, 2, "llm_error", 9)
    assert (known.failed_at, known.first_failed_at) == (NOON + timedelta(minutes=5), NOON)
    assert (known.stands_at, other.times) == ((0, 0), 1)


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
