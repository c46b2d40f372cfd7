"""Chunks: every record in exactly one, the same each time, topics and dates together, prompts within their budget."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.llm.tokens import estimated
from domain.operations.analyze import user_of
from domain.operations.many.chunks import chunks_of, fits, size_of
from schemas.requests import RequestedRecord
from tests.builders import NOON

CODES = st.lists(st.sampled_from(["water", "health", "школа"]), max_size=2)
RECORDS = st.lists(
    st.tuples(
        st.text(min_size=1, max_size=60).filter(str.strip),
        st.none() | st.integers(-400, 400).map(lambda days: NOON + timedelta(days=days)),
        CODES,
    ),
    min_size=1,
    max_size=40,
)


def made(drawn):
    """The records, and the codes of each."""
    found = [RequestedRecord(record_id=str(n), content=text, created_at=at) for n, (text, at, _) in enumerate(drawn)]
    return found, {str(n): codes for n, (_, _, codes) in enumerate(drawn)}


@given(RECORDS, st.integers(1, 700), st.none() | st.integers(1, 10))
def test_every_record_is_in_exactly_one_chunk_and_chunks_keep_their_bounds(drawn, budget, most):
    given_records, codes = made(drawn)
    chunks = chunks_of(given_records, budget, codes, most)

    assert sorted(int(record.record_id) for chunk in chunks for record in chunk.records) == list(range(len(drawn)))
    assert [chunk.number for chunk in chunks] == list(range(1, len(chunks) + 1))
    for chunk in chunks:
        assert estimated(user_of(chunk.records)) <= budget or len(chunk.records) == 1, (
            "but for a record too large alone"
        )
        assert most is None or len(chunk.records) <= most
    assert chunks == chunks_of(given_records, budget, codes, most)


@given(RECORDS)
def test_records_are_ordered_by_topic_then_date_then_position(drawn):
    given_records, codes = made(drawn)
    order = [record for chunk in chunks_of(given_records, 160, codes) for record in chunk.records]

    def rank(record):
        first = (codes[record.record_id] or [""])[0]
        at = record.created_at
        return (not first, first, at is None, at or NOON, int(record.record_id))

    assert order == sorted(given_records, key=rank)


@given(RECORDS, st.integers(1, 1000))
def test_what_fits_is_what_one_chunk_holds(drawn, budget):
    given_records, codes = made(drawn)
    if fits(given_records, budget):
        assert len(chunks_of(given_records, budget, codes)) == 1
    assert fits(given_records, sum(map(size_of, given_records)))


def test_escapes_count():
    angry = RequestedRecord(record_id="a", content="<>" * 500)
    assert size_of(angry) > 4000 / 3
