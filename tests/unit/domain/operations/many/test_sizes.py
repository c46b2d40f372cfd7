"""Results over many records fit on their topics, however long names and ids are and however many."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import TooLargeError
from domain.operations.many.analysis import Analysis
from domain.operations.many.limits import Limits
from domain.operations.many.summarize_aggregate import SummaryOfMany
from tests.builders import a_summary_request, an_analysis_request
from tests.unit.domain.operations.many.support import MADE, FakeSteps, envelopes

MOST_BYTES = 1_048_588 - 50_000
"""What a topic takes unless it is told otherwise (`max.message.bytes` of Apache Kafka), without 256 sources."""
FIRST = datetime(2001, 1, 1, tzinfo=UTC)
LONGEST_ANSWER = {"answer": "\U0001f6b1" * 50_000, "confidence": 0.5}
ESCAPED = "\x01"
"""One character, six bytes of JSON."""


def coded(count, codes, days, name=""):
    """Records so many days apart, each with one of so many codes."""
    return [
        {
            "record_id": f"r{n}",
            "content": "c",
            "created_at": (FIRST + n * timedelta(days=days)).isoformat(),
            "metadata": {"codes": [{"id": f"c{n % codes:03}", "name": name or None}]},
        }
        for n in range(count)
    ]


async def analysed(records, limits=Limits(), **fields):  # noqa: B008 (frozen)
    steps = FakeSteps(lambda _: LONGEST_ANSWER if limits == Limits() else {"answer": "A.", "confidence": 0.5})
    found = await Analysis(an_analysis_request(records=records, **fields), limits).run(steps)
    return found.result(MADE)


@pytest.mark.parametrize(
    ("count", "codes", "days", "name", "granularity"),
    [
        (200, 200, 0, "n" * 1000, "day"),
        (8000, 10, 0.003, "", "day"),
        (20_000, 200, 0.27, "", "quarter"),
        (20_000, 200, 1.8, "", "year"),
        (400, 200, 0, ESCAPED * 1000, "year"),
    ],
)
async def test_stretches_of_a_trend_are_as_short_as_it_fits(count, codes, days, name, granularity):
    records = coded(count, codes, days, name)
    result = await analysed(records, Limits(token_budget=10**9), mode="single_pass")
    assert result.trend.granularity == granularity
    listed = sum(code.records for code in result.trend.codes)
    assert sum(one.records for code in result.trend.codes for one in code.counts) == listed
    assert result.trend.codes_left_out == codes - len(result.trend.codes)


async def test_quarters_and_years_begin_on_their_first_day():
    trend = (await analysed(coded(20_000, 200, 0.27), Limits(token_budget=10**9))).trend
    starts = {one.start for code in trend.codes for one in code.counts}
    assert {(start.month, start.day) for start in starts} == {(1, 1), (4, 1), (7, 1), (10, 1)}


@pytest.mark.parametrize("name", ["", "n" * 1000, "\U0001f6b1" * 1000, ESCAPED * 1000])
async def test_the_largest_trend_fits_beside_the_longest_answer(name):
    records = coded(20_000, 250, 2, name)
    steps = FakeSteps(lambda _: json.dumps(LONGEST_ANSWER, ensure_ascii=False))
    found = await Analysis(an_analysis_request(records=records), Limits(token_budget=10**9)).run(steps)
    result = found.result(MADE)
    assert len(result.to_bytes()) < MOST_BYTES - 100_000 - 150_000  # restored originals, excluded chunks
    assert 50 < len(result.trend.codes) == 250 - result.trend.codes_left_out


async def test_the_rarest_codes_go_first_where_names_are_too_long():
    often = [{**one, "record_id": f"again-{one['record_id']}"} for one in coded(20, 20, 0, ESCAPED * 1000)]
    result = await analysed([*coded(200, 200, 0, ESCAPED * 1000), *often], Limits(token_budget=10**9))
    assert [code.records for code in result.trend.codes[:21]] == [2] * 20 + [1]


def summing_up(*themes):
    """A model that finds these themes: their titles with the shares of the records that they have, from and to."""

    def say(prompt):
        count = len(envelopes(prompt))
        found = [
            {"title": title, "summary": "\U0001f6b1" * 1000, "records": list(range(1 + int(a * count), int(b * count)))}
            for title, a, b in themes
        ]
        return json.dumps({"title": "T", "themes": found}, ensure_ascii=False)

    return say


async def summarised(ids, say, limits=None):
    records = [{"record_id": one, "content": "c"} for one in ids]
    steps = FakeSteps(say)
    found = await SummaryOfMany(a_summary_request(records=records), limits or Limits(token_budget=10**9)).run(steps)
    return found.result(MADE), steps


@pytest.mark.parametrize("character", ["x", "é", '"', "\U0001f6b1", ESCAPED])
async def test_all_ids_of_a_summary_together_fit(character):
    bytes_each = len(json.dumps(character, ensure_ascii=False).encode()) - 2
    length = min(240, 1400 // bytes_each)
    ids = [f"{n:04}{character * length}" for n in range(min(400, 590_000 // (length * bytes_each + 7)))]
    themes = summing_up(("A", 0, 0.6), ("B", 0, 0.6), ("C", 0.1, 0.6))
    result, _ = await summarised(ids, themes)
    assert len(result.to_bytes()) < MOST_BYTES - 100_000
    listed = [one for theme in result.themes for one in theme.record_ids]
    assert sorted({*listed, *result.other_record_ids}) == ids


async def test_ids_that_are_escaped_count_as_they_are_written_before_anything_is_paid_for():
    steps = FakeSteps(None)
    records = [{"record_id": f"{n:04}{ESCAPED * 250}", "content": "c"} for n in range(401)]
    with pytest.raises(TooLargeError, match="shorter ids"):
        await SummaryOfMany(a_summary_request(records=records), Limits()).run(steps)
    assert not steps.asked


async def test_a_theme_counts_records_that_are_listed_under_a_more_frequent_one():
    ids = [f"{n:03}{ESCAPED * 240}" for n in range(390)]
    result, _ = await summarised(ids, summing_up(("A", 0, 0.9), ("B", 0.1, 0.8), ("C", 0.5, 1)))
    a, b, c = result.themes
    assert (len(a.record_ids), a.count) == (350, 350)
    assert (len(b.record_ids), b.count) == (0, 272)
    assert c.record_ids == tuple(ids[350:389])
    assert (c.title, c.count) == ("C", 194)


@pytest.mark.parametrize("summary", [True, False])
async def test_excluded_chunks_are_named_as_far_as_they_fit_and_counted(summary):
    ids = [f"{n:04}{ESCAPED * 50}" for n in range(1500)]
    records = [{"record_id": one, "content": f"{one[:4]} {'xy' * 100}"} for one in ids]
    limits = Limits(token_budget=90, calls_at_once=100)

    def say(prompt):
        if prompt.version in {"analyze.map.v1", "summarize_aggregate.v1"} and "0000 " not in prompt.user:
            return "none"
        theme = {"title": "T", "summary": "S.", "records": [1], "parts": [1]}
        return {"answer": "A.", "confidence": 1, "title": "T", "themes": [theme]}

    work = (
        SummaryOfMany(a_summary_request(records=records), limits)
        if summary
        else Analysis(an_analysis_request(records=records), limits)
    )
    result = (await work.run(FakeSteps(say))).result(MADE)
    assert result.chunks == 1500
    assert len(result.excluded) + result.excluded_left_out == 1499
    assert 0 < result.excluded_left_out < 1200
    named = [record_id for one in result.excluded for record_id in one.record_ids]
    assert len(json.dumps(named)) < 110_000
    assert len(named) > 100
    assert len(result.to_bytes()) < 200_000
    assert result.records_given - result.records_used == 1499
