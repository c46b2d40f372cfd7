"""Stretches of time, checked second by second."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.llm.spans import common, length, union

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted).map(tuple), max_size=8)


def seconds(spans):
    return {second for began, ended in spans for second in range(began, ended)}


@given(SPANS, SPANS)
def test_they_hold_the_seconds_that_they_should(first, second):
    assert seconds(union(first)) == seconds(first)
    assert seconds(common(first, second)) == seconds(first) & seconds(second)
    assert length(first) == len(seconds(first))


@given(SPANS)
def test_what_is_joined_is_in_order_and_apart(spans):
    joined = union(spans)
    ends = [end for span in joined for end in span]
    assert ends == sorted(ends)
    assert all(earlier[1] < later[0] for earlier, later in pairwise(joined))
