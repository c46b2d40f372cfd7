"""Whatever bytes come, they are an event or one clear reason why they are none."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.delivery.decoding import InputIds, decode, ids_in, read_event
from domain.delivery.reasons import REASONS
from domain.errors import FeedbackError, InputError, InvalidOutputError, PermanentLLMError
from schemas.base import Event
from schemas.frameworks import CodingFramework
from schemas.records import FeedbackRecordSubmitted
from schemas.requests import AnalysisRequested, SummaryRequested
from tests.builders import a_framework, a_message, a_record, a_summary_request, an_analysis_request

GOOD = a_record().model_dump(mode="json", exclude_none=True)
SECRET = "Amina at 0790123456"


def refused(value, **message):
    with pytest.raises(InputError) as error:
        decode(a_message(value, **message))
    assert error.value.reason in REASONS
    return error.value


def refusal(message):
    """Why a message is refused; None where it is an event."""
    try:
        decode(message)
    except InputError as error:
        return error
    return None


@pytest.mark.parametrize("value", [None, b"", b"  \n", b"\xef\xbb\xbf"])
def test_nothing(value):
    assert refused(value).reason == "empty_payload"


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b"hello",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe{}",
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
        b"[" * 500_000,
        b"{} {}",
        b"{'a': 1}",
    ],
)
def test_no_json_object(value):
    assert refused(value).reason == "not_json"


def test_json_that_is_nested_too_deeply_is_told_as_such():
    assert "nested too deeply" in refused(b"[" * 1000 + b"]" * 1000).message


@pytest.mark.parametrize(
    ("topic", "event", "name"),
    [
        ("feedback.records", a_record(), "tenant_id"),
        ("feedback.records", a_record(), "record_id"),
        ("feedback.requests", an_analysis_request(), "tenant_id"),
        ("feedback.requests", an_analysis_request(), "request_id"),
        ("feedback.requests", a_summary_request(), "tenant_id"),
        ("feedback.requests", a_summary_request(), "request_id"),
    ],
)
def test_no_id_comes_through_that_no_text_column_takes(topic, event, name):
    """The events of its LLM calls carry these ids as they are."""
    payload = event.model_dump(mode="json", exclude_none=True)
    assert refused(payload | {name: "a\x00b"}, topic=topic).reason == "wrong_schema"
    assert refused(payload | {name: "a\ud800b"}, topic=topic).reason == "not_json"
    half = json.dumps(payload | {name: "a?b"}).encode().replace(b"a?b", b"a\xed\xa0\x80b")
    assert refused(half, topic=topic).reason == "not_json"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"tenant_id": None}, "`tenant_id` is null, and not text"),
        ({"tenant_id": ""}, "`tenant_id` is empty"),
        ({"tenant_id": "t" * 256}, "`tenant_id` has more than 255 characters"),
        ({"tenant_id": "a\x00"}, "`tenant_id` must not hold a NUL character"),
        ({"record_id": 7}, "`record_id` is a number, and not text"),
        ({"content": None}, "`content` is null, and not text"),
        *(
            ({"created_at": value}, "`created_at` must be a time as RFC 3339 writes it, with an offset")
            for value in ("2026-05-04T12:00:00", "2026-05-04", "2026-05-04T12:99:00Z", SECRET, 1_700_000_000)
        ),
        ({"created_at": "2026-05-04T12:00:00+00:60"}, "an offset has hours 00 to 23 and minutes 00 to 59"),
        ({"max_codes": 0}, "`max_codes` is less than 1"),
        ({"max_codes": 10**400}, "`max_codes` is more than 50"),
        ({"max_codes": "many"}, "`max_codes` is text, and not a whole number"),
        ({"max_codes": "3"}, "`max_codes` is text, and not a whole number"),
        ({"max_codes": True}, "`max_codes` is true or false, and not a whole number"),
        ({"max_codes": 1.5}, "`max_codes` is a number, and not a whole number"),
        ({"confidence_threshold": 2}, "`confidence_threshold` is more than 1"),
        ({"confidence_threshold": [SECRET]}, "`confidence_threshold` is a list, and not a number"),
        ({"operations": []}, "`operations` is empty"),
        ({"operations": SECRET}, "`operations` is text, and not a list"),
        ({"operations": [SECRET]}, "`operations[0]` is not 'assign_codes', 'summarize' or 'detect_sensitive'"),
        ({"operations": ["assign_codes"], "framework_id": None}, ": assign_codes needs a framework_id."),
        ({"metadata": [SECRET]}, "`metadata` is a list, and not an object"),
        ({"schema_version": "1"}, "schema_version is not an integer"),
        ({"schema_version": None}, "schema_version is not an integer"),
        ({"schema_version": True}, "schema_version is not an integer"),
    ],
)
def test_json_that_is_no_record_says_where_and_what_and_quotes_nothing(change, told):
    error = refused({**GOOD, "content": SECRET, **change})
    assert error.reason == "wrong_schema"
    assert told in error.message
    assert SECRET not in error.message
    for foreign in ("Input should", "Value error", "type=", "does not fit"):
        assert foreign not in error.message


def test_a_missing_tenant():
    error = refused({name: value for name, value in GOOD.items() if name != "tenant_id"})
    assert error.message == "Not a valid FeedbackRecordSubmitted: `tenant_id` is missing."


def test_names_that_are_not_ours_are_not_told():
    class Tagged(Event):
        ce_type = "tagged"
        tags: dict[str, int]

    with pytest.raises(InputError) as caught:
        read_event(json.dumps({"tags": {SECRET: "x"}}).encode(), Tagged)
    assert caught.value.message == "Not a valid Tagged: `tags.?` is text, and not a whole number."


def test_many_problems_are_counted():
    assert refused({"content": SECRET, "max_codes": 0, "operations": 1, "language": 2}).message.endswith("and 2 more.")


@pytest.mark.parametrize("content", ["", " ", "\n\t\u2003"])
def test_blank_content(content):
    assert refused({**GOOD, "content": content}).reason == "blank_content"
    request = json.loads(an_analysis_request().to_bytes())
    request["records"][1]["content"] = content
    assert refused(request, topic="feedback.requests").reason == "blank_content"


def test_content_up_to_100_000_characters():
    assert decode(a_message(a_record(content="é" * 100_000)))
    assert refused({**GOOD, "content": "é" * 100_001}).reason == "too_large"


@pytest.mark.parametrize("version", [0, 2, -1, 10**30])
def test_an_unknown_version_is_told_before_anything_else(version):
    assert refused({"schema_version": version, "everything": "else"}).reason == "unknown_version"


def test_tolerance():
    """Unknown fields, a byte order mark, odd characters, another key, duplicate names: the last counts."""
    odd = "id/\u0001\u202e'; DROP TABLE--\n\U0001f600"
    value = b"\xef\xbb\xbf" + json.dumps({**GOOD, "record_id": odd, "new_field": 1}).encode()
    value = value[:-1] + b', "content": "last"}'
    event = decode(a_message(value, key=b"\xff"))
    assert isinstance(event, FeedbackRecordSubmitted)
    assert (event.record_id, event.content) == (odd, "last")


def test_requests_are_told_apart():
    topic = "feedback.requests"
    analysis, summary = an_analysis_request(), a_summary_request()
    assert isinstance(decode(a_message(analysis, topic=topic)), AnalysisRequested)
    assert isinstance(decode(a_message(summary, topic=topic)), SummaryRequested)

    def with_type(event, ce_type):
        return a_message(event, topic=topic, headers=(("ce_type", ce_type),))

    assert isinstance(decode(with_type(analysis, SummaryRequested.ce_type.encode())), SummaryRequested)
    assert isinstance(decode(with_type(analysis, b"org.crm.analysis")), AnalysisRequested)
    assert isinstance(decode(with_type(analysis, None)), AnalysisRequested)
    with pytest.raises(InputError, match="`instruction` is missing"):
        decode(with_type(summary, AnalysisRequested.ce_type.encode()))


def test_other_topics_are_not_decoded_here():
    with pytest.raises(ValueError, match="not an input topic"):
        decode(a_message(a_record(), topic="llm.calls"))


def test_other_readers_use_the_same_rules():
    assert read_event(a_framework().to_bytes(), CodingFramework) == a_framework()


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ({"tenant_id": "t", "record_id": "r", "content": 7}, InputIds("t", "r", None)),
        ({"request_id": "q"}, InputIds(None, None, "q")),
        ({"tenant_id": 7, "record_id": "r"}, InputIds(None, "r", None)),
        ({"tenant_id": "", "record_id": "a\x00", "request_id": "q" * 256}, InputIds()),
        (["t"], InputIds()),
    ],
)
def test_each_id_is_salvaged_where_it_can_be_told(value, ids):
    assert ids_in(json.dumps(value).encode()) == ids


def test_a_value_that_is_no_json_has_no_ids():
    assert ids_in(None) == ids_in(b'{"record_id": "r"') == InputIds()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
NEARLY = st.tuples(
    st.sampled_from([GOOD, json.loads(an_analysis_request().to_bytes()), json.loads(a_summary_request().to_bytes())]),
    st.dictionaries(
        st.sampled_from([*FeedbackRecordSubmitted.model_fields, *AnalysisRequested.model_fields]), JSON, max_size=3
    ),
).map(lambda parts: json.dumps(parts[0] | parts[1]).encode())


@given(st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()) | NEARLY, st.booleans())
@settings(max_examples=400)
def test_decoding_raises_nothing_but_input_errors(value, is_record):
    message = a_message(value, topic="feedback.records" if is_record else "feedback.requests")
    ids_in(value)
    error = refusal(message)
    assert error is None or error.reason in REASONS
    assert error is None or error.message.isprintable()


@given(st.text("abcdefgh0123456789", min_size=12, max_size=12), st.sampled_from(list(GOOD)))
def test_no_message_quotes_the_input(secret, field):
    for payload in ({**GOOD, field: {secret: secret}}, {**GOOD, field: secret * 60, "created_at": secret}):
        error = refusal(a_message(payload))
        assert error is not None
        assert secret not in error.message
        assert error.__cause__ is None
        assert error.__context__ is None


def test_every_reason_that_a_dead_letter_may_carry_is_explained():
    def reasons(kind):
        return {kind.reason}.union(*map(reasons, kind.__subclasses__()))

    possible = reasons(InputError) | reasons(PermanentLLMError) | reasons(InvalidOutputError) | {FeedbackError.reason}
    foreign = {InputError.reason, "provider_misconfigured"}  # never raised as such; stops the worker
    assert possible - foreign == set(REASONS)
