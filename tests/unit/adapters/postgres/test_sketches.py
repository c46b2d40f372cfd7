"""Sketches: within 1 %, the same however they came about, and none of what was put in gets lost."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.postgres.usage import sketches as sketches_module
from adapters.postgres.usage.sketches import ACCURACY, pack, spreads
from tests.usage_model import percentile_cont

BASE = math.log((1 + ACCURACY) / (1 - ACCURACY))
RECORD = 4
MOST = 65_535

# Whole numbers are what is counted: microseconds and tokens, of one call or of an invocation's many.
counted = st.integers(0, 10) | st.integers(0, 10**6) | st.integers(0, 2**80)
any_above_zero = st.floats(1e-280, 1e280)
percents = st.floats(0, 100) | st.sampled_from([0.0, 5.0, 50.0, 95.0, 100.0])


def record(value: float, times: int = 1) -> bytes:
    bucket = 1 + math.ceil(math.log(value) / BASE) if value > 0 else -32_768
    return bucket.to_bytes(2, "big", signed=True) + times.to_bytes(2, "big")


def sketch_of(values: list[float]) -> bytes:
    return b"".join(record(value) for value in values)


def percentile(packed: bytes, percent: float, least: float, greatest: float) -> float:
    found = spreads([(0, packed)], [(least, greatest)], [0], [percent])
    assert found.together == found.each
    return found.together[0][0]


def contents(packed: bytes | None) -> Counter[int]:
    """How many items lie in each bucket."""
    found: Counter[int] = Counter()
    for place in range(0, len(packed or b""), RECORD):
        one = (packed or b"")[place : place + RECORD]
        found[int.from_bytes(one[:2], "big", signed=True)] += int.from_bytes(one[2:], "big")
    return found


@settings(max_examples=500, deadline=None)
@given(st.lists(counted, min_size=1, max_size=50) | st.lists(any_above_zero, min_size=1, max_size=50), percents)
def test_a_percentile_is_within_one_percent_and_between_least_and_greatest(values, percent):
    least, greatest = float(min(values)), float(max(values))

    found = percentile(sketch_of(values), percent, least, greatest)

    assert found == pytest.approx(percentile_cont(sorted(values), percent), rel=ACCURACY * (1 + 1e-6), abs=1e-9)
    assert least <= found <= greatest


@settings(max_examples=200, deadline=None)
@given(st.lists(counted, min_size=1), st.lists(counted, min_size=1), percents)
def test_two_sketches_one_behind_the_other_are_the_sketch_of_all(one, other, percent):
    every = [*one, *other]
    reach = float(min(every)), float(max(every))
    [packed_one, packed_other, packed_every] = pack([sketch_of(one), sketch_of(other), sketch_of(every)])

    together = percentile((packed_other or b"") + (packed_one or b""), percent, *reach)

    assert together == percentile(sketch_of(every), percent, *reach)
    assert pack([(packed_other or b"") + (packed_one or b"")]) == [packed_every]


records = st.lists(st.tuples(st.integers(-32_768, 32_767), st.integers(1, MOST)), max_size=30)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.none() | records, max_size=8))
def test_packing_keeps_everything_and_each_sketch_to_itself(sketches):
    written = [
        None if each is None else b"".join(b.to_bytes(2, "big", signed=True) + n.to_bytes(2, "big") for b, n in each)
        for each in sketches
    ]

    packed = pack(written)

    assert [contents(one) for one in packed] == [contents(one) for one in written]
    assert all(one is None or one for one in packed)
    for one in packed:
        buckets = [(one or b"")[place : place + 2] for place in range(0, len(one or b""), RECORD)]
        needed = sum(math.ceil(count / MOST) for count in contents(one).values())
        assert len(buckets) == needed
    assert pack(packed) == packed


@pytest.mark.parametrize("count", [MOST - 1, MOST, MOST + 1, 2 * MOST, 2 * MOST + 1, 1_000_000])
def test_a_count_larger_than_a_record_holds_is_kept(count):
    whole, rest = divmod(count, MOST)
    written = record(250, MOST) * whole + (record(250, rest) if rest else b"")

    [first, packed, last] = pack([record(1), written, record(2)])

    assert contents(packed) == {contents(record(250)).popitem()[0]: count}
    assert (first, last) == (record(1), record(2))
    # A hundred smaller ones below them, and as many above: the median is theirs.
    mixed = (packed or b"") + record(1, 100) + record(10**6, 100)
    assert percentile(mixed, 50, 1, 10**6) == pytest.approx(250, rel=ACCURACY)
    assert percentile(mixed, 100, 1, 10**6) == pytest.approx(10**6, rel=ACCURACY)


def test_nothing_packed_is_nothing():
    assert pack([]) == []
    assert pack([None, b""]) == [None, None]


def test_what_is_not_above_zero_is_zero():
    sketch = record(0) + record(0) + record(0) + record(700)

    assert [percentile(sketch, percent, 0, 700) for percent in (0, 50)] == [0, 0]
    assert percentile(sketch, 100, 0, 700) == pytest.approx(700, rel=ACCURACY)


kinds = st.lists(st.lists(counted, min_size=1, max_size=20), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(kinds, min_size=1, max_size=4),
    st.lists(percents, min_size=1, max_size=4),
    st.sampled_from([1, 500, 10**6]),
)
def test_many_at_once_are_each_as_alone(monkeypatch_cells, sections, asked, cells):
    """In whatever order their sketches come, and however many are worked on at a time."""
    monkeypatch_cells(cells)
    flat = [(section, values) for section, group in enumerate(sections) for values in group]
    reach = [(float(min(values)), float(max(values))) for _, values in flat]
    written = [(number, record(value)) for number, (_, values) in enumerate(flat) for value in values]

    found = spreads(written[::-1], reach, [section for section, _ in flat], asked)

    for (_, values), told in zip(flat, found.each, strict=True):
        assert told == alone(values, asked)
    for group, told in zip(sections, found.together, strict=True):
        assert told == alone([value for values in group for value in values], asked)


def alone(values: list[int], asked: list[float]) -> list[float]:
    return [percentile(sketch_of(values), percent, float(min(values)), float(max(values))) for percent in asked]


@pytest.fixture(scope="module")
def monkeypatch_cells():
    with pytest.MonkeyPatch.context() as patch:
        yield lambda cells: patch.setattr(sketches_module, "_CELLS", cells)
