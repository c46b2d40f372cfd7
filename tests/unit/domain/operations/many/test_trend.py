"""Codes over time: counted from metadata and from our own codings."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from domain.operations.many.analysis import Analysis
from domain.operations.many.limits import Limits
from domain.operations.many.trend import KnownCode, codes_in, granularity_of, known_codes, trend_of
from schemas.requests import Period, RequestedRecord
from tests.builders import TENANT, an_analysis_request
from tests.codings_support import MemoryPastCodings, a_coding
from tests.unit.domain.operations.many.support import MADE, FakeSteps


def record(number, at=None, *codes):
    metadata = {"codes": list(codes)} if codes else None
    return RequestedRecord(record_id=str(number), content="c", created_at=at, metadata=metadata)


def day(number, month=3, hour=12):
    return datetime(2026, month, number, hour, tzinfo=UTC)


class Codings:
    """What was coded before, as a test says."""

    def __init__(self, **codes):
        self.codes = codes
        self.asked = None

    async def codes_of(self, tenant_id, record_ids):
        self.asked = (tenant_id, tuple(record_ids))
        return {name: [KnownCode(code) for code in codes] for name, codes in self.codes.items() if name in record_ids}


async def a_trend(records, period=None, codings=None):
    return trend_of(records, await known_codes(TENANT, records, codings), period)


def rows(trend):
    """Code, records and counts of each row."""
    return [(code.code_id, code.records, [(c.start, c.records) for c in code.counts]) for code in trend.codes]


async def test_days_are_counted_for_each_code_most_frequent_first():
    trend = await a_trend([record(1, day(1), "a", "b"), record(2, day(1), "b"), record(3, day(5), "b"), record(4)])
    assert trend.granularity == "day"
    assert rows(trend) == [
        ("b", 3, [(date(2026, 3, 1), 2), (date(2026, 3, 5), 1)]),
        ("a", 1, [(date(2026, 3, 1), 1)]),
    ]
    assert (trend.from_metadata, trend.from_assignments, trend.uncoded) == (3, 0, 1)


async def test_a_period_is_half_open_and_what_lies_outside_or_has_no_date_is_counted_apart():
    period = Period(start=day(1), end=day(3))
    at = [day(1) - timedelta(seconds=1), day(1), day(3) - timedelta(seconds=1), day(3), None]
    (code,) = (await a_trend([record(n, one, "a") for n, one in enumerate(at)], period)).codes
    assert (code.records, code.outside_period, code.undated) == (5, 2, 1)
    assert [(count.start.day, count.records) for count in code.counts] == [(1, 1), (3, 1)]


@pytest.mark.parametrize(
    ("days", "granularity"), [(0, "day"), (30, "day"), (31, "week"), (181, "week"), (182, "month"), (3000, "month")]
)
async def test_the_span_chooses_days_weeks_or_months(days, granularity):
    records = [record(1, day(1), "a"), record(2, day(1) + timedelta(days=days), "a")]
    assert granularity_of(records, None) == granularity
    assert granularity_of([], Period(start=day(1), end=day(1) + timedelta(days=days + 1))) == granularity


async def test_weeks_begin_on_monday_and_months_on_their_first():
    weeks = await a_trend([record(1, day(2), "a"), record(2, day(8), "a"), record(3, day(9, month=4), "a")])
    assert [(c.start, c.records) for c in weeks.codes[0].counts] == [(date(2026, 3, 2), 2), (date(2026, 4, 6), 1)]
    months = await a_trend([record(1, day(31), "a"), record(2, day(1, month=12), "a")])
    assert [c.start for c in months.codes[0].counts] == [date(2026, 3, 1), date(2026, 12, 1)]


async def test_days_are_those_of_utc():
    late = datetime(2026, 3, 1, 23, tzinfo=timezone(timedelta(hours=-5)))
    (code,) = (await a_trend([record(1, late, "a")])).codes
    assert code.counts[0].start == date(2026, 3, 2)


@pytest.mark.parametrize(
    "at",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12))),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(202, 3, 1, tzinfo=UTC),
    ],
)
async def test_an_impossible_date_counts_as_undated_and_makes_no_stretch_longer(at):
    trend = await a_trend([record(1, at, "a"), record(2, day(1), "a"), record(3, day(3), "a")])
    (code,) = trend.codes
    assert (trend.granularity, code.records, code.undated, len(code.counts)) == ("day", 3, 1, 2)


async def test_records_without_codes_in_their_metadata_have_those_that_we_gave_them():
    codings = Codings(**{"1": ["ours"], "2": ["ours", "ours"], "3": []})
    trend = await a_trend([record(1, None, "theirs"), record(2), record(3), record(4)], codings=codings)
    assert codings.asked == (TENANT, ("2", "3", "4"))
    assert [(code.code_id, code.records) for code in trend.codes] == [("ours", 1), ("theirs", 1)]
    assert (trend.from_metadata, trend.from_assignments, trend.uncoded) == (1, 1, 2)


async def test_it_is_known_whether_our_own_codings_were_read():
    coded, bare = record(1, None, "theirs"), record(2)
    assert (await known_codes(TENANT, [coded, bare])).own_codings == "not_configured"
    ours = MemoryPastCodings(a_coding("2", "ours", tenant_id=TENANT))
    assert (await known_codes(TENANT, [coded], ours)).own_codings == "not_needed"
    found = await known_codes(TENANT, [coded, bare], ours)
    assert (found.own_codings, found.ids()) == ("read", {"1": ("theirs",), "2": ("ours",)})
    ours.away = True
    found = await known_codes(TENANT, [coded, bare], ours)
    assert (found.own_codings, found.ids()) == ("unavailable", {"1": ("theirs",)})


@pytest.mark.parametrize("mode", ["single_pass", "hierarchical"])
async def test_an_analysis_says_so_and_does_not_fail_for_it(mode):
    ours = MemoryPastCodings()
    ours.away = True
    request = an_analysis_request(mode=mode)
    found = await Analysis(request, Limits(), ours).run(FakeSteps(lambda _: {"answer": "Dry.", "confidence": 0.5}))
    assert found.result(MADE).own_codings == "unavailable"


async def test_without_any_code_there_is_no_trend():
    assert await a_trend([record(1, day(1)), record(2)]) is None


async def test_the_rarest_of_very_many_codes_are_left_out_and_counted():
    trend = await a_trend([record(n, None, f"c{n:03}", "common") for n in range(300)])
    assert (len(trend.codes), trend.codes_left_out, trend.codes[0].code_id) == (200, 101, "common")


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        (None, []),
        ({}, []),
        ({"codes": "a"}, []),
        ({"codes": {"id": "a"}}, []),
        ({"codes": ["a", "b", "a"]}, [("a", None), ("b", None)]),
        ({"codes": [{"code_id": "a", "name": "A"}, {"id": "b"}]}, [("a", "A"), ("b", None)]),
        ({"codes": [None, 1, "", " ", {}, {"id": 3}, "x" * 1025, "a\x00", ["a"], "ok"]}, [("ok", None)]),
        ({"codes": [{"id": "a", "name": 7}]}, [("a", None)]),
    ],
)
def test_codes_are_read_from_metadata_of_any_shape(metadata, found):
    assert [(code.code_id, code.name) for code in codes_in(metadata)] == found
