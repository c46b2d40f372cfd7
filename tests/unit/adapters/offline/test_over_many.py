"""Analyses in chunks and summaries over many records by the offline model, through the product's own work."""

import pytest

from adapters.offline.engine import Engine
from domain.errors import InvalidOutputError
from domain.llm.calls import Prompt
from domain.operations.many.analysis import Analysis
from domain.operations.many.limits import Limits
from domain.operations.many.summarize_aggregate import SummaryOfMany
from tests.builders import a_summary_request, an_analysis_request
from tests.unit.domain.operations.many.support import MADE, FakeSteps

DRY = ("The tap near the school is dry.", "There is no water in the tap.", "Our water tap gives no water since May.")
LESSONS = ("My son cannot read, we need a teacher.", "The school has no teacher for our children.")
SMALL = Limits(token_budget=200)
"""Some six of these records a chunk."""


def records(count: int) -> list[dict[str, str]]:
    """Twice as many about water as about lessons; their topics in the order of their ids, so that chunks are mixed."""
    return [
        {"record_id": f"r{n}", "content": LESSONS[n % 2] if n % 3 == 2 else f"{DRY[n % 3]} Number {n}."}
        for n in range(count)
    ]


def steps(engine: Engine) -> FakeSteps:
    def say(prompt: Prompt) -> str:
        return engine.answer(prompt.system, prompt.user)

    return FakeSteps(say)


async def test_an_analysis_in_chunks_adds_up_its_themes_and_says_what_it_is(engine: Engine) -> None:
    asked = steps(engine)
    found = await Analysis(an_analysis_request(records=records(60)), SMALL).run(asked)
    result = found.result(MADE)

    assert result.excluded == ()
    assert result.chunks >= 8
    assert "not an LLM" in result.answer
    assert "60 records, read in chunks" in result.answer
    assert "(40 records), e.g. «" in result.answer
    assert 0.0 < result.confidence <= 0.5
    again = await Analysis(an_analysis_request(records=records(60)), SMALL).run(steps(engine))
    assert again.result(MADE).answer == result.answer


async def test_findings_of_another_model_are_quoted(engine: Engine) -> None:
    asked = steps(engine)

    def say(prompt: Prompt) -> object:
        if prompt.version.startswith("analyze.map"):
            return {"answer": "Taps are dry in two camps. More.", "confidence": 0.5}
        return engine.answer(prompt.system, prompt.user)

    asked.say = say
    found = await Analysis(an_analysis_request(records=records(12)), SMALL).run(asked)
    assert "(12 records), e.g. «Taps are dry in two camps. More.»" in found.result(MADE).answer


@pytest.mark.parametrize("limits", [Limits(), SMALL])
async def test_a_summary_over_many_groups_records_by_what_they_say(engine: Engine, limits: Limits) -> None:
    given = records(30)
    found = await SummaryOfMany(a_summary_request(records=given), limits).run(steps(engine))
    result = found.result(MADE)

    water = {record["record_id"] for n, record in enumerate(given) if n % 3 != 2}
    assert set(result.themes[0].record_ids) == water
    assert set().union(*(theme.record_ids for theme in result.themes), result.other_record_ids) == {
        record["record_id"] for record in given
    }
    assert result.themes[0].title
    assert result.title


async def test_placeholders_name_no_theme(engine: Engine) -> None:
    given = [{"record_id": str(n), "content": f"Tents of [PERSON_{n}] in [PLACE_1] leak."} for n in range(1, 4)]
    result = (await SummaryOfMany(a_summary_request(records=given), Limits()).run(steps(engine))).result(MADE)
    titles = " ".join([result.title, *(theme.title for theme in result.themes)]).casefold()
    assert "tents" in titles
    assert "person" not in titles
    assert "place" not in titles
    assert result.themes[0].summary in [record["content"] for record in given]


async def test_telephone_numbers_are_left_out_of_summaries(engine: Engine) -> None:
    given = [{"record_id": "a", "content": "Call me on +231 77 123 4567, the pump is broken."}]
    result = (await SummaryOfMany(a_summary_request(records=given), Limits()).run(steps(engine))).result(MADE)
    assert "123" not in result.themes[0].summary


@pytest.mark.parametrize(
    "content", ["...", "12345", "\u200f\u200b.", "水管坏了，我们没有水喝，孩子们都生病了。", "a" * 20_000]
)
async def test_every_text_gets_a_summary(engine: Engine, content: str) -> None:
    given = [{"record_id": "a", "content": content}, {"record_id": "b", "content": "The tap is dry."}]
    for mode in ("single_pass", "hierarchical"):
        try:
            found = await SummaryOfMany(a_summary_request(records=given, mode=mode), Limits()).run(steps(engine))
        except InvalidOutputError as error:
            pytest.fail(error.message)
        assert found.result(MADE).records_used == 2
