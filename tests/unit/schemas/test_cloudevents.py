"""Who an event is, and the headers that say so."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import deterministic_id, headers_for, identify
from schemas.records import FeedbackRecordSubmitted

RECORD = FeedbackRecordSubmitted(tenant_id="t", record_id="r", content="c")


def test_the_same_source_and_id_are_the_same_event_whatever_the_bytes():
    headers = [("ce_source", b"crm"), ("ce_id", b"7")]
    assert identify("t", b"k", b"v", headers) == identify("other", None, b"w", reversed(headers))


def test_without_both_headers_topic_key_and_value_name_the_event():
    one = identify("t", b"k", b"v", [("ce_id", b"7")])
    assert one == identify("t", b"k", b"v", [("ce_id", b"8")])
    assert one.event_id != identify("t", b"k", b"w", []).event_id
    assert identify("t", None, b"v", []).event_id != identify("t", b"", b"v", []).event_id


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_different_parts_never_share_an_id(one: list[str], other: list[str]):
    assert (deterministic_id(*one) == deterministic_id(*other)) == (one == other)


@given(st.lists(st.tuples(st.text(max_size=12), st.one_of(st.none(), st.binary(max_size=60))), max_size=6))
def test_no_header_can_break_the_identification(headers: list[tuple[str, bytes | None]]):
    identity = identify("t", b"k", b"v", headers)
    assert len(identity.trace_id) == 32
    assert int(identity.trace_id, 16)


def test_the_trace_goes_on_and_all_headers_are_written():
    headers = headers_for(RECORD, "id-1", "4bf92f3577b34da6a3ce929d0e0e4736", source="crm")
    names = [name for name, _ in headers]
    assert names == ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "traceparent"]
    assert identify("t", None, None, headers).trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_trace_of_zeros_is_no_trace():
    headers = [("traceparent", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01")]
    assert identify("t", None, None, headers).trace_id != "0" * 32
