"""Messages of codings and of corrections: what they carry, and why some carry nothing."""

import json

import pytest

from consumers.codings import decode_coding, decode_correction
from domain.errors import (
    BlankContentError,
    EmptyPayloadError,
    InputError,
    NotJSONError,
    TooLargeError,
    UnknownVersionError,
    WrongSchemaError,
)
from tests.builders import a_message
from tests.codings_support import a_coding, corrected

CORRECTION = json.loads(corrected("r-1", "a").to_bytes())
CE = {"ce_source": b"crm", "ce_id": b"c-1"}


def message(value: object, topic: str = "feedback.corrections", **headers: bytes):
    raw = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
    return a_message(raw, topic=topic, headers=tuple(headers.items()))


def test_a_coding_and_a_correction_come_as_they_were_sent():
    coding, correction = a_coding("r-1", "a", "b"), corrected("r-1", result_id=a_coding("r-1").result_id, content="No.")
    assert decode_coding(message(coding.to_bytes())) == coding
    assert decode_correction(message(correction.to_bytes())).correction == correction


def test_an_event_has_one_id_however_often_it_comes_and_whatever_else_is_published():
    first = decode_correction(message(CORRECTION, **CE)).event_id
    assert decode_correction(message(CORRECTION | {"code_ids": ["b"]}, **CE)).event_id == first
    assert decode_correction(message(CORRECTION, **CE | {"ce_id": b"c-2"})).event_id != first
    bare = decode_correction(message(CORRECTION)).event_id
    assert decode_correction(message(CORRECTION)).event_id == bare
    assert decode_correction(message(CORRECTION | {"code_ids": ["b"]})).event_id != bare


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, EmptyPayloadError),
        (b"{", NotJSONError),
        (b"{}", WrongSchemaError),
        (CORRECTION | {"schema_version": 2}, UnknownVersionError),
        (CORRECTION | {"code_ids": None}, WrongSchemaError),
        (CORRECTION | {"code_ids": ["a"] * 51}, WrongSchemaError),
        (CORRECTION | {"code_ids": [""]}, WrongSchemaError),
        (CORRECTION | {"code_ids": ["a\x00"]}, WrongSchemaError),
        (CORRECTION | {"result_id": "the last one"}, WrongSchemaError),
        (CORRECTION | {"corrected_at": "2026-11-20T12:00:00"}, WrongSchemaError),
        (CORRECTION | {"corrected_at": "9999-12-31T23:59:59.999999Z"}, WrongSchemaError),
        (CORRECTION | {"content": " "}, BlankContentError),
        (CORRECTION | {"content": "x" * 100_001}, TooLargeError),
    ],
)
def test_what_is_no_correction_has_a_reason(value, error):
    with pytest.raises(error):
        decode_correction(message(value))


def test_what_is_no_coding_has_a_reason_and_nothing_is_quoted():
    coding = json.loads(a_coding("r-1", "a").to_bytes())
    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999Z"):
        with pytest.raises(WrongSchemaError, match=r"`completed_at` must be of the years 2000 to 2999"):
            decode_coding(message(coding | {"completed_at": moment}))
    with pytest.raises(InputError) as caught:
        decode_coding(message(coding | {"result_id": "a secret", "secret": "a secret"}))
    assert "secret" not in caught.value.message
