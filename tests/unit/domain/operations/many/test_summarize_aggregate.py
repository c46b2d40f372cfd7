"""Summaries over many records: themes whose records we keep count of, whatever a model says."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidOutputError, TooLargeError
from domain.operations.many import themes
from domain.operations.many.limits import Limits
from domain.operations.many.summarize_aggregate import SummaryOfMany
from schemas.progress import SummaryProgressed
from tests.builders import a_summary_request
from tests.unit.domain.operations.many.support import MADE, FakeSteps, envelopes, many, records

SMALL = Limits(token_budget=600, calls_at_once=4)


def is_merge(prompt):
    return prompt.version == "summarize_aggregate.merge.v1"


def theme(title, numbers, key="records"):
    return {"title": title, "summary": f"Of {title}.", key: numbers}


def overview(*found):
    return {"title": "What people say", "themes": list(found)}


async def summarised(request, say, limits=SMALL):
    steps = FakeSteps(say)
    found = await SummaryOfMany(request, limits).run(steps)
    return found, found.result(MADE), steps


def shown(result):
    return [(one.title, one.count, one.record_ids) for one in result.themes]


async def test_themes_are_sorted_by_frequency_with_the_ids_of_their_records():
    request = a_summary_request(records=records("Dry.", "Thanks!", "Dry too.", "?"))
    found, result, steps = await summarised(request, lambda _: overview(theme("Praise", [2]), theme("Dry", [3, 1, 3])))
    assert shown(result) == [("Dry", 2, ("r1", "r3")), ("Praise", 1, ("r2",))]
    assert result.other_record_ids == ("r4",)
    assert (result.title, found.prompt_version) == ("What people say", "summarize_aggregate.v1")
    assert (result.mode, result.chunks, result.records_given, result.records_used) == ("single_pass", 1, 4, 4)
    assert steps.told == []


@pytest.mark.parametrize("numbers", [[0], [5], ["1"], [True], [1.0], [], "1", None, [1, None]])
async def test_numbers_that_are_no_records_are_refused(numbers):
    with pytest.raises(InvalidOutputError):
        await summarised(a_summary_request(records=records(*"abcd")), lambda _: overview(theme("A", numbers)))


@pytest.mark.parametrize(
    "answer",
    [
        {"title": "T", "themes": []},
        {"themes": [theme("A", [1])]},
        {"title": "T", "themes": [{"title": "A", "records": [1]}]},
        {"title": "T", "themes": [theme(" ", [1])]},
        {"title": "T", "themes": ["A"]},
        {"title": "T", "themes": [theme("A", [1])] * 25},
        {"title": "word " * 13, "themes": [theme("A", [1])]},
    ],
)
async def test_an_overview_that_is_none_is_refused(answer):
    with pytest.raises(InvalidOutputError):
        await summarised(a_summary_request(), lambda _: answer)


async def test_a_record_stands_under_three_themes_at_most():
    found = [theme(f"T{n}", [1]) for n in range(5)]
    _, result, _ = await summarised(a_summary_request(records=records("a", "b")), lambda _: overview(*found))
    assert [one.title for one in result.themes] == ["T0", "T1", "T2"]
    assert result.other_record_ids == ("r2",)


async def test_themes_of_chunks_are_merged_without_ids_passing_through_a_model():
    request = a_summary_request(records=many(20))

    def say(prompt):
        texts = envelopes(prompt)
        if not is_merge(prompt):
            return overview(theme("First", [1]), theme("Rest", list(range(2, len(texts) + 1))))
        same = {name: [n for n, text in enumerate(texts, 1) if text.startswith(name)] for name in ("First", "Rest")}
        return overview(*(theme(name, numbers, "parts") for name, numbers in same.items()))

    found, result, steps = await summarised(request, say)
    (merge,) = filter(is_merge, steps.asked)
    assert "r1" not in merge.user
    assert (found.prompt_version, result.mode, result.chunks) == ("summarize_aggregate.merge.v1", "hierarchical", 4)
    assert [(one.title, one.count) for one in result.themes] == [("Rest", 16), ("First", 4)]
    assert result.themes[1].record_ids == ("r1", "r6", "r11", "r16")
    assert {prompt.operation for prompt in steps.asked} == {"summarize_aggregate"}
    assert all(isinstance(event, SummaryProgressed) for _, event in steps.told)


def test_a_theme_that_is_merged_twice_is_refused():
    answer = '{"title": "T", "themes": [{"title": "A", "summary": "S.", "parts": [1]}, %s]}'
    with pytest.raises(InvalidOutputError, match="twice"):
        themes.parse_merge(answer % '{"title": "B", "summary": "S.", "parts": [2, 1]}', 2)


async def test_a_chunk_that_cannot_be_read_is_named_and_its_records_stand_nowhere_else():
    def say(prompt):
        if is_merge(prompt):
            return overview(theme("A", [1], "parts"))
        return "none" if envelopes(prompt)[0].startswith("r6 ") else overview(theme("A", [1]))

    _, result, _ = await summarised(a_summary_request(records=many(20)), say)
    (excluded,) = result.excluded
    assert excluded.record_ids == tuple(f"r{n}" for n in range(6, 11))
    assert not set(excluded.record_ids) & set(result.other_record_ids)
    assert (result.records_used, result.coverage) == (15, 0.75)


async def test_a_single_pass_over_too_many_records_is_refused():
    with pytest.raises(TooLargeError, match="400 records"):
        await summarised(a_summary_request(records=many(401, 5), mode="single_pass"), None, Limits())


async def test_ids_that_fit_on_no_topic_are_refused_before_anything_is_paid_for():
    long = [{"record_id": f"{n}".ljust(255, "x"), "content": "c"} for n in range(3000)]
    with pytest.raises(TooLargeError, match="shorter ids"):
        await summarised(a_summary_request(records=long), None)


async def test_where_ids_of_several_themes_are_too_many_each_record_stands_once(monkeypatch):
    monkeypatch.setattr("domain.operations.many.summarize_aggregate.MAX_ID_BYTES", 20)
    found = overview(theme("A", [1, 2, 3]), theme("B", [3, 4]))
    _, result, _ = await summarised(a_summary_request(records=records(*"abcd")), lambda _: found)
    assert shown(result) == [("A", 3, ("r1", "r2", "r3")), ("B", 2, ("r4",))]


class Whimsical:
    """A model that names and merges at random, and now and then says nothing of use: never the same twice."""

    def __init__(self, seed, refusals, merging):
        self.random = random.Random(seed)
        self.refusals, self.merging = refusals, merging
        self.merges = 0

    def __call__(self, prompt):
        count = len(envelopes(prompt))
        if is_merge(prompt):
            self.merges += 1
            numbers = self.random.sample(range(1, count + 1), max(1, int(count * self.merging)))
            cut = self.random.randint(1, len(numbers))
            parts = [numbers[n : n + cut] for n in range(0, len(numbers), cut)][:20]
            return overview(*(theme(f"M{n}", part, "parts") for n, part in enumerate(parts)))
        if self.random.random() < self.refusals:
            return "none"
        chosen = [
            self.random.sample(range(1, count + 1), self.random.randint(1, count))
            for _ in range(self.random.randint(1, 8))
        ]
        return overview(*(theme(f"T{n}", numbers) for n, numbers in enumerate(chosen)))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 150), st.integers(), st.sampled_from([0.0, 0.3]), st.sampled_from([0.05, 0.5, 1.0]))
def test_no_record_is_lost_or_invented_whatever_the_model_says(count, seed, refusals, merging):
    request = a_summary_request(records=many(count, length=100), mode="hierarchical")
    model = Whimsical(seed, refusals, merging)
    try:
        _, result, _ = asyncio.run(summarised(request, model))
    except InvalidOutputError:
        return  # no chunk could be read

    behind = {record_id for one in result.themes for record_id in one.record_ids}
    excluded = {record_id for one in result.excluded for record_id in one.record_ids}
    other = set(result.other_record_ids)
    assert behind | excluded | other == {record.record_id for record in request.records}
    assert not behind & other
    assert not excluded & (behind | other)
    assert all(one.count == len(set(one.record_ids)) == len(one.record_ids) for one in result.themes)
    assert [one.count for one in result.themes] == sorted((one.count for one in result.themes), reverse=True)
    assert result.records_used + sum(one.records for one in result.excluded) == count
