"""No prompt changes under its version: results and LLM calls of last year must still say what was asked."""

import hashlib
import json
from importlib.resources import files

import pytest

from domain.operations import analyze, assign_codes, detect_sensitive, judge, summarize
from domain.operations.coding_batch import Batch
from domain.operations.corrected_examples import Example
from domain.operations.many import hierarchical, themes
from domain.operations.many.chunks import Chunk
from domain.operations.many.hierarchical import Findings
from domain.operations.many.themes import Theme
from domain.operations.narrowing import Narrower
from domain.operations.outline import outline_of
from domain.prompts.instructions import ADDITIONS, CURRENT, STAGES, addition, instructions_for, instructions_for_stage
from schemas.operations import Operation
from tests.builders import a_framework, a_record, a_summary_request, an_analysis_request

PROMPTS = files("domain.prompts")
LOCK = json.loads(PROMPTS.joinpath("versions.lock.json").read_text(encoding="utf-8"))
REMEDY = "give it a new version: a file with the next number, that number in CURRENT, both hashes in versions.lock.json"


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def rendered(operation):
    """The prompt that a fixed input gets, as the model sees it."""
    prompt = {
        Operation.ASSIGN_CODES: lambda: assign_codes.prompt(
            a_record(max_codes=2, output_language="French"), outline_of(a_framework())
        ),
        Operation.SUMMARIZE: lambda: summarize.prompt(a_record(output_language="French")),
        Operation.DETECT_SENSITIVE: lambda: detect_sensitive.prompt(a_record(output_language="French")),
        Operation.JUDGE: lambda: judge.prompt("summary", "Dry well\n- No water.", ["The well is dry."]),
        Operation.ANALYZE: lambda: analyze.prompt(an_analysis_request(output_language="French")),
        Operation.SUMMARIZE_AGGREGATE: lambda: themes.prompt(SUMMARY, SUMMARY.records),
    }[operation]()
    return json.dumps(prompt.messages(), ensure_ascii=False)


BATCH = [
    a_record(max_codes=2, output_language="French", content=content) for content in ("Dry <taps> [EMAIL_1].", "Thanks!")
]
SUMMARY = a_summary_request(output_language="French")


def rendered_stage(stage):
    """The same for a step of an operation."""
    request = an_analysis_request(output_language="French")
    found = [Findings("Dry <taps>.", 0.7, 2), Findings("No water.", 0.25, 300)]
    named = [Theme("Dry taps", "No <water>.", (0, 3)), Theme("Thanks", "Praise.", (1,))]
    prompt = {
        "analyze.map": lambda: hierarchical.map_prompt(request, Chunk(2, request.records)),
        "analyze.reduce": lambda: hierarchical.reduce_prompt(request, found, last=False),
        "summarize_aggregate.merge": lambda: themes.merge_prompt(SUMMARY, named),
        "assign_codes.batch": lambda: Batch.of(BATCH, outline_of(a_framework()), None).prompt(),
    }[stage]()
    return json.dumps(prompt.messages(), ensure_ascii=False)


def rendered_addition(name):
    """The same for what is said in addition."""
    examples = [Example("The tap <drips>.", ("dirty-water", "gone")), Example("Who are you?", ())]
    prompt = {
        "assign_codes.examples": lambda: assign_codes.prompt(
            a_record(max_codes=2, output_language="French"), outline_of(a_framework()), examples=examples
        ),
        "assign_codes.narrowed": lambda: assign_codes.prompt(
            a_record(max_codes=2, output_language="French"),
            Narrower(None, 20).by(outline_of(a_framework(), 20), [0.1, 0.2, 0.3, 0.9, 0.0]),
        ),
    }[name]()
    return json.dumps(prompt.messages(), ensure_ascii=False)


@pytest.mark.parametrize("name", ADDITIONS)
def test_what_an_addition_renders_is_unchanged(name):
    version = addition(name).version
    assert digest(rendered_addition(name)) == LOCK[version]["rendered"], f"the prompt {version} changed: {REMEDY}"


def test_every_version_that_was_ever_used_is_there_unchanged():
    present = {
        entry.name.removesuffix(".txt"): digest(entry.read_text(encoding="utf-8"))
        for entry in PROMPTS.iterdir()
        if entry.name.endswith(".txt")
    }
    assert present == {version: entry["instructions"] for version, entry in LOCK.items()}, REMEDY


@pytest.mark.parametrize("operation", CURRENT)
def test_what_the_current_version_renders_is_unchanged(operation):
    version = instructions_for(operation).version
    assert digest(rendered(operation)) == LOCK[version]["rendered"], f"the prompt {version} changed: {REMEDY}"


@pytest.mark.parametrize("operation", CURRENT)
def test_instructions_begin_with_their_task_and_end_with_the_shape_of_the_answer(operation):
    lines = instructions_for(operation).text.splitlines()
    assert lines[0] == f"Task: {operation}"
    assert lines[-1].endswith("}")
    assert "<feedback_record" in "\n".join(lines), "the model must be told where the record stands"


@pytest.mark.parametrize("stage", STAGES)
def test_what_the_current_version_of_a_step_renders_is_unchanged(stage):
    version = instructions_for_stage(stage).version
    assert digest(rendered_stage(stage)) == LOCK[version]["rendered"], f"the prompt {version} changed: {REMEDY}"


@pytest.mark.parametrize("stage", STAGES)
def test_instructions_of_a_step_begin_with_its_task_and_end_with_the_shape_of_the_answer(stage):
    lines = instructions_for_stage(stage).text.splitlines()
    assert lines[0] == f"Task: {stage.replace('.', '_')}"
    assert lines[-1].endswith("}")
