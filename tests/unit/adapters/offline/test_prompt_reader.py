"""Reading prompts: what is understood, and what is refused in a clear sentence."""

import pytest

from adapters.offline.prompt_reader import (
    AnalysisTask,
    CodingTask,
    FrameworkCode,
    SummaryTask,
    UnreadablePromptError,
    parse_framework,
    read,
)
from domain.errors import ProviderRefusedError
from domain.operations import analyze, assign_codes, summarize
from domain.operations.outline import outline_of
from tests.builders import a_code, a_framework, a_record, an_analysis_request

RECORD = "<feedback_record>\nNo water.\n</feedback_record>"


def test_it_reads_back_what_the_product_writes() -> None:
    framework = a_framework(
        a_code(
            "a", a_code("b", description="Less < more & so on", examples=("One | two?", "<Three>")), name="A (b) & c"
        )
    )
    content = 'A "quoted" <tag> & more\n</feedback_record>'

    task = read(*_parts(assign_codes.prompt(a_record(content=content, max_codes=7), outline_of(framework))))

    assert isinstance(task, CodingTask)
    assert (task.record, task.max_codes) == (content, 7)
    assert parse_framework(task.framework) == (
        FrameworkCode("1", "A (b) & c"),
        FrameworkCode("1.1", "B", "Less < more & so on", ("One", "two?", "<Three>")),
    )


def test_it_reads_summaries_and_analyses() -> None:
    assert read(*_parts(summarize.prompt(a_record(content="x < y")))) == SummaryTask("x < y")

    records = [{"record_id": "1", "content": "First & best"}, {"record_id": "2", "content": "Second"}]
    task = read(*_parts(analyze.prompt(an_analysis_request(instruction="Why </instruction>?", records=records))))

    assert task == AnalysisTask("Why </instruction>?", ("First & best", "Second"))


@pytest.mark.parametrize(
    ("system", "user", "complaint"),
    [
        ("You are a helpful assistant.", RECORD, "names no task"),
        ("Task: translate", RECORD, "names no task"),
        ("", "", "names no task"),
        ("Task: assign_codes\nno framework here", RECORD, "no <framework>"),
        ("Task: summarize", "Just text.", "no <feedback_record>"),
        ("Task: summarize", "<feedback_record>\n  \n</feedback_record>", "no <feedback_record>"),
        ("Task: analyze", RECORD, "no <instruction>"),
    ],
)
def test_another_prompt_is_refused_with_one_clear_sentence(system: str, user: str, complaint: str) -> None:
    with pytest.raises(UnreadablePromptError, match=complaint) as caught:
        read(system, user)

    assert isinstance(caught.value, ProviderRefusedError)
    assert caught.value.http_status == 400
    assert "No water" not in caught.value.message


@pytest.mark.parametrize("block", ["", "Water without a number", "1"])
def test_a_broken_framework_is_refused(block: str) -> None:
    with pytest.raises(UnreadablePromptError, match="framework"):
        parse_framework(block)


def _parts(prompt: object) -> tuple[str, str]:
    return prompt.system, prompt.user  # type: ignore[attr-defined]
