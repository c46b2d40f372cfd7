"""Bytes of `llm.calls`: what is a call, and why the rest is none."""

import json
from decimal import Decimal

import pytest

from consumers.decoding import decode
from domain.errors import EmptyPayloadError, InputError, NotJSONError, UnknownVersionError, WrongSchemaError
from schemas.llm_calls import MAX_COST_USD, MAX_TOKENS
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
        (json.dumps(GOOD | {"cost_usd": float("-inf")}).encode(), NotJSONError),
        (json.dumps(GOOD | {"cost_usd": float("inf")}).encode(), NotJSONError),
        (json.dumps(GOOD | {"cost_usd": "Infinity"}).encode(), WrongSchemaError),
        (json.dumps(GOOD | {"cost_usd": "sNaN"}).encode(), WrongSchemaError),
        (json.dumps(GOOD | {"cost_usd": "-1e400"}).encode(), WrongSchemaError),
        (json.dumps(GOOD | {"cost_usd": "a lot"}).encode(), WrongSchemaError),
        (json.dumps(GOOD | {"input_tokens": -(2**63)}).encode(), WrongSchemaError),
        (json.dumps(GOOD | {"input_tokens": 2**63, "output_tokens": -1}).encode(), WrongSchemaError),
        (json.dumps(GOOD | {"input_tokens": 2**63, "schema_version": 2}).encode(), UnknownVersionError),
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


@pytest.mark.parametrize(
    "kind", ["input_tokens", "output_tokens", "cache_read_input_tokens", "reasoning_output_tokens"]
)
@pytest.mark.parametrize(
    "absurd", [MAX_TOKENS + 1, MAX_TOKENS + 0.5, 2**63 - 1, 2**63, 10**4000, "1e400", f'"{2**64}"', '"1e30"']
)
def test_a_call_of_absurd_usage_comes_without_its_figures_and_says_why(kind, absurd):
    told = llm_call(cost_source="their own", **{kind: 7})

    call = decode(told.to_bytes().replace(f'"{kind}":7'.encode(), f'"{kind}":{absurd}'.encode()))

    assert (call.input_tokens, call.output_tokens, call.cost_usd) == (None, None, None)
    assert (call.cache_read_input_tokens, call.reasoning_output_tokens) == (None, None)
    assert call.cost_source == "implausible_usage"
    kept = {"call_id", "tenant_id", "invocation_id", "timestamp", "call_duration_ms", "status", "model", "record_id"}
    assert call.model_dump(include=kept) == told.model_dump(include=kept)


@pytest.mark.parametrize(
    "absurd",
    [f'"{MAX_COST_USD + Decimal("0.01")}"', "999999.9999999999999", "1000000", "1e400", '"1e400"', "1" + "0" * 4000],
)
def test_a_call_of_absurd_cost_keeps_its_tokens(absurd):
    call = decode(json.dumps(GOOD | {"cost_usd": 7}).replace('"cost_usd": 7', f'"cost_usd": {absurd}').encode())

    assert (call.input_tokens, call.output_tokens) == (900, 60)
    assert (call.cost_usd, call.cost_source) == (None, "implausible_usage")


def test_the_most_that_is_believed_is_kept():
    most = llm_call(input_tokens=MAX_TOKENS, output_tokens=MAX_TOKENS, cost_usd=MAX_COST_USD)

    assert decode(most.to_bytes()) == most


@pytest.mark.parametrize("name", ["timestamp", "invocation_started_at"])
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z"])
def test_a_year_that_cannot_be_is_refused(name: str, moment: str):
    with pytest.raises(WrongSchemaError, match=f"`{name}` must be of the years 2000 to 2999"):
        decode(json.dumps(GOOD | {name: moment}).encode())
