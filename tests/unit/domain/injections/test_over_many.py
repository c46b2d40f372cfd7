"""Requests in chunks whose model repeats what records tell it, and does it: what was found is data in the reduce."""

import json
import re

import pytest

from domain.errors import InvalidOutputError
from domain.llm.calls import Prompt
from domain.operations.answers import plain_text, shown_text
from domain.operations.many import hierarchical
from domain.operations.many.analysis import Analysis
from domain.operations.many.chunks import Chunk
from domain.operations.many.limits import Limits
from domain.operations.many.summarize_aggregate import SummaryOfMany
from tests.builders import a_summary_request
from tests.injections import ATTEMPTS
from tests.unit.domain.injections.prompts import envelopes, is_clean, shape
from tests.unit.domain.operations.many.support import MADE, FakeSteps, an_analysis_of, records

SMALL = Limits(token_budget=150, calls_at_once=2)
FILLED = "The tap near the school is dry, and nobody has come to repair it since the rains. " * 4
CONTENTS = [f"{number} {FILLED}" for number in range(4)]
IDS = {f"r{number}" for number in range(1, 5)}


async def analysed(says):
    steps = FakeSteps(
        lambda _: {"answer": says, "confidence": 1, "coverage": 9, "records_used": 10**6, "role": "system"}
    )
    found = await Analysis(an_analysis_of(*CONTENTS, mode="hierarchical"), SMALL).run(steps)
    return found.result(MADE), steps


async def test_an_attempt_that_a_map_answer_repeats_is_data_in_the_reduce():
    ordinary, steps = await analysed("The tap is dry.")
    request = an_analysis_of(*CONTENTS)
    systems = {hierarchical.reduce_prompt(request, (), last=last).system for last in (False, True)}
    systems.add(hierarchical.map_prompt(request, Chunk(1, ())).system)
    for name, attempt in ATTEMPTS.items():
        result, steps = await analysed(attempt)
        for prompt in steps.asked:
            assert prompt.system in systems, name
            assert is_clean(prompt), name
        reduces = [prompt for prompt in steps.asked if prompt.version == "analyze.reduce.v1"]
        shown = [found for prompt in reduces for found in envelopes(prompt.user)]
        assert {tag for tag, *_ in shown} == {"findings"}, name
        assert all(shown_text(attempt).startswith(text) for *_, text in shown), name
        assert all(re.fullmatch(r' number="\d" records="[1-4]" confidence="1\.00"', about) for _, about, _ in shown), (
            name
        )
        assert result == ordinary.model_copy(update={"answer": shown_text(attempt)}), name


def parts_or_records(prompt: Prompt):
    return "parts" if prompt.version == "summarize_aggregate.merge.v1" else "records"


async def summarised(says, numbers=lambda prompt, count: list(range(1, count + 1))):
    """The result where the model says so of one theme a prompt, and names these numbers of what it was shown."""

    def say(prompt):
        shown = numbers(prompt, len(envelopes(prompt.user)))
        theme = {"title": "Dry", "summary": says, parts_or_records(prompt): shown, "record_ids": ["other-record"]}
        return {"title": "Taps", "themes": [theme], "other_record_ids": ["other-record"], "request_id": "another"}

    steps = FakeSteps(say)
    request = a_summary_request(records=records(*CONTENTS), mode="hierarchical")
    return (await SummaryOfMany(request, SMALL).run(steps)).result(MADE), steps


async def test_an_attempt_in_a_theme_is_data_in_the_merge_and_moves_no_records():
    ordinary, steps = await summarised("No water comes.")
    systems = {prompt.version: prompt.system for prompt in steps.asked}
    assert set(systems) == {"summarize_aggregate.v1", "summarize_aggregate.merge.v1"}
    for name, attempt in ATTEMPTS.items():
        result, steps = await summarised(attempt)
        assert all(prompt.system == systems[prompt.version] and is_clean(prompt) for prompt in steps.asked), name
        shown = [tag for prompt in steps.asked for tag, _ in shape(prompt.user) if "merge" in prompt.version]
        assert set(shown) == {"theme"}, name
        (theme,) = result.themes
        assert set(theme.record_ids) == IDS, name
        assert result == ordinary.model_copy(
            update={"themes": (theme.model_copy(update={"summary": plain_text(attempt, 1000)}),)}
        ), name


@pytest.mark.parametrize("numbers", [[1, 2, 999], [0], [-1], ["r4"], ["other-record"], "all", [[1]], [True], [1.5]])
async def test_a_chunk_whose_model_claims_other_records_is_left_out_and_claims_none(numbers):
    def obeys_in_the_second(prompt, count):
        first = prompt.version == "summarize_aggregate.v1" and "\n1 The tap" in prompt.user
        return numbers if first else list(range(1, count + 1))

    result, _ = await summarised("Obey.", obeys_in_the_second)
    assert [chunk.record_ids for chunk in result.excluded] == [("r2",)]
    assert {one for theme in result.themes for one in theme.record_ids} == IDS - {"r2"}
    assert result.other_record_ids == ()


@pytest.mark.parametrize("numbers", [[1, 999], [0], ["r1"], "all", [], [None]])
async def test_a_merge_that_claims_other_themes_is_no_result(numbers):
    with pytest.raises(InvalidOutputError):
        await summarised(
            "Obey.", lambda prompt, count: numbers if "merge" in prompt.version else list(range(1, count + 1))
        )


async def test_a_reduce_in_another_schema_is_no_result():
    for name, attempt in ATTEMPTS.items():
        if shown_text(attempt).startswith("{"):
            continue
        for said in (attempt, json.dumps({"findings": [attempt]}), json.dumps({"answer": [attempt], "confidence": 1})):

            def say(prompt, said=said):
                return said if "reduce" in prompt.version else {"answer": "Dry.", "confidence": 1}

            with pytest.raises(InvalidOutputError) as refused:
                await Analysis(an_analysis_of(*CONTENTS, mode="hierarchical"), SMALL).run(FakeSteps(say))
            assert attempt not in refused.value.message, name
