"""A request that says its kind by its fields alone: a question is not answered with themes."""

import json

import pytest

from domain.delivery.decoding import decode
from domain.errors import InputError
from schemas.requests import AnalysisRequested, SummaryRequested
from tests.builders import a_message, a_summary_request, an_analysis_request

SECRET = "Amina at 0790123456"


def refused(value, **message):
    with pytest.raises(InputError) as error:
        decode(a_message(value, **message))
    return error.value


@pytest.mark.parametrize(
    "name",
    [
        "instructions",
        "instuction",
        "Instruction",
        "INSTRUCTIONS",
        "intsruction",
        " instruction",
        "question",
        "Query",
        "prompt",
        "instruct",
        "questions",
        "user_instruction",
        "instruction_text",
        "analysisInstruction",
        "the questions",
    ],
)
def test_a_name_that_is_nearly_instruction_is_not_passed_over(name):
    payload = json.loads(a_summary_request().to_bytes()) | {name: SECRET}
    for headers in ((), (("ce_type", b"org.crm.analysis"),)):
        error = refused(payload, topic="feedback.requests", headers=headers)
        assert error.reason == "wrong_schema"
        assert "`instruction`" in error.message
        assert SECRET not in error.message
    assert refused(payload | {"schema_version": 2}, topic="feedback.requests").reason == "unknown_version"


@pytest.mark.parametrize("others", [[f"column_{n}" for n in range(500)], [f"x{n}" for n in range(20_000)]])
def test_many_other_names_hide_no_name_that_is_nearly_instruction(others):
    payload = json.loads(a_summary_request().to_bytes()) | dict.fromkeys(others, 1) | {"instructions": "x"}
    assert refused(payload, topic="feedback.requests").reason == "wrong_schema"


def test_beside_an_instruction_and_under_a_declared_type_a_name_like_it_is_one_of_those_that_are_not_known():
    topic, like_it = "feedback.requests", {"instructions": "x"}
    summary = json.loads(a_summary_request().to_bytes()) | like_it
    declared = (("ce_type", SummaryRequested.ce_type.encode()),)
    assert isinstance(decode(a_message(summary, topic=topic, headers=declared)), SummaryRequested)
    analysis = json.loads(an_analysis_request().to_bytes()) | like_it
    assert isinstance(decode(a_message(analysis, topic=topic)), AnalysisRequested)


@pytest.mark.parametrize(
    "name",
    ["construction", "introduction", "instructor", "instruction_id", "question_id", "task", "mask", "context", "note"],
)
def test_other_names_that_are_not_known_leave_a_summary_what_it_is(name):
    payload = json.loads(a_summary_request().to_bytes()) | {name: "x"}
    assert isinstance(decode(a_message(payload, topic="feedback.requests")), SummaryRequested)
