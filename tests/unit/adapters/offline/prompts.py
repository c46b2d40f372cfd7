"""Prompts for the offline model, made by the product's own prompt builders."""

import json
from typing import Any

from adapters.offline.engine import Engine
from domain.llm.calls import Prompt
from domain.operations import analyze, assign_codes, detect_sensitive, summarize
from domain.operations.outline import Outline, outline_of
from schemas.frameworks import Code, CodingFramework
from tests.builders import a_code, a_framework, a_record, an_analysis_request


def a_community_framework() -> CodingFramework:
    """Three branches of three levels, in English, with what belongs under each code."""

    def leaf(code_id: str, description: str, *examples: str) -> Code:
        return a_code(code_id, description=description, examples=examples)

    water = a_code(
        "water",
        leaf("no-water", "The tap, pump or tank gives no water.", "The tap has been dry since May."),
        leaf("dirty-water", "Taste, colour or smell of the water.", "The water is brown."),
    )
    health = a_code(
        "health",
        leaf("no-medicine", "Medicines are out of stock or too expensive.", "There are no tablets."),
        leaf("vaccine-rumours", "What people believe about vaccines.", "They say the vaccine is poison."),
    )
    school = a_code("school", leaf("school-closed", "Lessons do not take place.", "The school has no teacher."))
    return a_framework(a_code("needs", water, health), a_code("learning", school))


def coding(engine: Engine, framework: CodingFramework, content: str, **fields: Any) -> assign_codes.Coding:
    """What the engine answers, as the product understands it."""
    outline = outline_of(framework)
    return assign_codes.parse(_answer(engine, coding_prompt(outline, content, **fields)), outline)


def coding_prompt(outline: Outline, content: str, **fields: Any) -> Prompt:
    """The product's prompt for one record."""
    return assign_codes.prompt(a_record(content=content, **fields), outline)


def code_ids(found: assign_codes.Coding) -> list[str]:
    """The ids of the codes that were given, best first."""
    return [coded.path[-1].id for coded in found.codes]


def summary(engine: Engine, content: str) -> summarize.Summary:
    """What the engine answers, as the product understands it."""
    return summarize.parse(_answer(engine, summarize.prompt(a_record(content=content))))


def screening(engine: Engine, content: str) -> detect_sensitive.Screening:
    """What the engine answers, as the product understands it."""
    return detect_sensitive.parse(_answer(engine, detect_sensitive.prompt(a_record(content=content))))


def analysis(engine: Engine, *contents: str) -> analyze.Analysis:
    """What the engine answers, as the product understands it."""
    records = [{"record_id": str(number), "content": content} for number, content in enumerate(contents)]
    return analyze.parse(_answer(engine, analyze.prompt(an_analysis_request(records=records))))


def raw(engine: Engine, prompt: Prompt) -> dict[str, Any]:
    """The answer's JSON."""
    answer = json.loads(_answer(engine, prompt))
    assert isinstance(answer, dict)
    return answer


def _answer(engine: Engine, prompt: Prompt) -> str:
    return engine.answer(prompt.system, prompt.user)
