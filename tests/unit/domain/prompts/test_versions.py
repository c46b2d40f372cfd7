"""No prompt changes under its version: results and LLM calls of last year must still say what was asked."""

import hashlib
import json
from importlib.resources import files

import pytest

from domain.operations import analyze, assign_codes, summarize
from domain.operations.outline import outline_of
from domain.prompts.instructions import CURRENT, instructions_for
from schemas.operations import Operation
from tests.builders import a_framework, a_record, an_analysis_request

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
        Operation.ANALYZE: lambda: analyze.prompt(an_analysis_request(output_language="French")),
    }[operation]()
    return json.dumps(prompt.messages(), ensure_ascii=False)


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
