"""Bytes of `llm.calls`: what is a call, and why the rest is none."""

import json

import pytest

from consumers.decoding import decode
from domain.errors import EmptyPayloadError, InputError, NotJSONError, UnknownVersionError, WrongSchemaError
from tests.usage_support import llm_call

GOOD = json.loads(llm_call().to_bytes())


def test_a_call_comes_back_as_it_was_sent():
    call = llm_call(cost_usd="0.000000000001", operation="somebody else's")

    assert decode(call.to_bytes()) == call


def test_unknown_fields_are_ignored_and_a_byte_order_mark_is_skipped():
    assert decode(json.dumps(GOOD | {"colour": "red"}).encode()) == decode(json.dumps(GOOD).encode())
    assert decode(b"\xef\xbb\xbf" + json.dumps(GOOD).encode()) == decode(json.dumps(GOOD).encode())


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, EmptyPayloadError),
        (b"", EmptyPayloadError),
        (b" \n", EmptyPayloadError),
        (b"null", NotJSONError),
        (b"[]", NotJSONError),
        (b'{"call_id": ', NotJSONError),
        (b"\xff\xfe{}", NotJSONError),
        (b'{"tenant_id": "\\ud800"}', NotJSONError),
        (b"{}", WrongSchemaError),
        (json.dumps(GOOD | {"schema_version": 2}).encode(), UnknownVersionError),
        (b'{"schema_version": 7}', UnknownVersionError),
        (json.dumps(GOOD | {"schema_version": "one"}).encode(), WrongSchemaError),
        (json.dumps(GOOD | {"timestamp": "2026-11-20T12:00:00"}).encode(), WrongSchemaError),
        (json.dumps(GOOD | {"cost_usd": -1}).encode(), WrongSchemaError),
        (json.dumps(GOOD | {"cost_usd": "NaN"}).encode(), WrongSchemaError),
        (json.dumps(GOOD | {"status": "maybe"}).encode(), WrongSchemaError),
        (json.dumps(GOOD | {"tenant_id": ""}).encode(), WrongSchemaError),
        (json.dumps(GOOD | {"input_tokens": 2**63}).encode(), WrongSchemaError),
    ],
)
def test_what_is_no_call_has_a_reason(value, error):
    with pytest.raises(error):
        decode(value)


def test_the_reason_quotes_nothing_of_the_message():
    with pytest.raises(InputError) as caught:
        decode(json.dumps(GOOD | {"call_id": "a secret", "secret": "a secret"}).encode())

    assert "call_id" in caught.value.message
    assert "secret" not in caught.value.message
