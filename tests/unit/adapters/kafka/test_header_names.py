"""Header names of any bytes, through aiokafka's own reader of what a broker sends."""

import struct

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from hypothesis import given
from hypothesis import strategies as st

from adapters.kafka.header_names import FetchedRecords, PartitionRecords, take_any_header_names
from tests.odd_headers import GZIP, ODD, ODD_TOLD, Name, Record, builder

GOOD: Record = (b"k", b"v", [("good", b"1"), ("null", None)])
BAD: Record = (b"k", ODD, [("good", b"1"), (Name(ODD), b"\xff"), ("after", None)])


def a_batch(base: int, *records: Record, codec: int = 0) -> bytes:
    made = builder(codec)
    for number, (key, value, headers) in enumerate(records):
        made.append(number, 1_700_000_000_000 + number, key, value, headers)
    raw = bytearray(made.build())
    struct.pack_into(">q", raw, 0, base)
    return bytes(raw)


def opened(raw: bytes, start: int = 0, kind=PartitionRecords, records=FetchedRecords):
    return kind(TopicPartition("t", 0), records(raw), None, start, None, None, True, 1)


@pytest.mark.parametrize("codec", [0, GZIP])
def test_a_record_with_an_odd_header_name_comes_in_its_place_and_once(codec):
    raw = (
        a_batch(0, GOOD, GOOD, codec=codec)
        + a_batch(2, GOOD, BAD, GOOD, codec=codec)
        + a_batch(5, GOOD)
        + a_batch(6, BAD, BAD, codec=codec)
        + a_batch(8, GOOD)
    )
    reader = opened(raw)
    found = list(reader)

    assert [record.offset for record in found] == list(range(9))
    assert reader.next_fetch_offset == 9
    odd = [record.offset for record in found if record.headers != tuple(GOOD[2])]
    assert odd == [3, 6, 7]
    assert found[3].headers == (("good", b"1"), (ODD_TOLD, b"\xff"), ("after", None))
    assert (found[3].key, found[3].value, found[3].timestamp) == (b"k", ODD, 1_700_000_000_001)
    assert all(type(part) is bytes for part in (found[3].key, found[3].value, found[3].headers[1][1]))


@pytest.mark.parametrize("start", range(4))
def test_a_fetch_from_the_middle_of_a_batch_begins_there(start):
    raw = a_batch(0, BAD, GOOD, BAD, GOOD)
    assert [record.offset for record in opened(raw, start)] == list(range(start, 4))


def test_a_batch_that_is_broken_stays_an_error():
    raw = bytearray(a_batch(0, GOOD) + a_batch(1, BAD))
    raw[-1] ^= 1
    reader = opened(bytes(raw))
    next(reader)
    with pytest.raises(CorruptRecordException):
        next(reader)


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
maybe = st.none() | st.binary(max_size=5)
headers = st.lists(st.tuples(names, maybe), max_size=3)


@given(st.lists(st.tuples(maybe, maybe, headers), min_size=1, max_size=5), st.sampled_from([0, GZIP]))
def test_the_tolerant_reader_reads_what_the_fast_one_reads(records, codec):
    """The records behind an odd one, with the offsets that they have without it."""
    plain = list(opened(a_batch(0, GOOD, *records, codec=codec), 1))
    behind = list(opened(a_batch(0, BAD, *records, codec=codec), 1))
    assert behind == plain
    assert [(record.key, record.value, list(record.headers)) for record in plain] == records


def test_consumers_take_them_once_asked_however_often(monkeypatch):
    monkeypatch.setattr(fetcher, "MemoryRecords", FetchedRecords.__base__)
    monkeypatch.setattr(fetcher, "PartitionRecords", PartitionRecords.__base__)
    take_any_header_names()
    take_any_header_names()
    raw = a_batch(0, BAD)
    (record,) = opened(raw, kind=fetcher.PartitionRecords, records=fetcher.MemoryRecords)
    assert record.headers[1][0] == ODD_TOLD
