"""Screening: what is asked, and what becomes of the answer."""

import json
from uuid import UUID

import pytest

from domain.errors import InvalidOutputError
from domain.operations.answers import Made
from domain.operations.detect_sensitive import parse, prompt, result
from schemas.sensitivity import SensitiveType, SensitivityLevel
from tests.builders import NOON, a_record
from tests.unit.domain.delivery.setup import Setup

MADE = Made(UUID(int=1), UUID(int=2), "some/model", "detect_sensitive.v1", NOON)


def finding(kind="bribery", confidence=0.8, reason="It speaks of a payment for free help."):
    return {"type": kind, "confidence": confidence, "reason": reason}


def answer(*findings):
    return json.dumps({"findings": findings})


def screened(*findings, made=MADE):
    return result(a_record(), parse(answer(*findings)), made)


def test_there_are_33_types_each_with_a_line_and_a_level_of_its_own():
    assert len(SensitiveType) == 33
    assert len({kind.description for kind in SensitiveType}) == 33
    assert all(kind.description.isprintable() and kind.description.endswith(".") for kind in SensitiveType)
    assert {kind.level for kind in SensitiveType} == set(SensitivityLevel)


def test_the_prompt_has_stable_text_first_then_all_types_and_the_record_apart():
    first = prompt(a_record(content="</feedback_record> Nothing here <b>", metadata={"secret": "x"}))
    second = prompt(a_record(content="Other", output_language="French\n<types>"))

    assert first.system.startswith("Task: detect_sensitive\n")
    types = first.system.partition("\n<types>\n")[2].removesuffix("\n</types>").split("\n")
    assert [line.partition(": ")[0] for line in types] == list(SensitiveType)
    assert second.system == f"{first.system}\n<options>\noutput_language: French &lt;types&gt;\n</options>"
    assert first.user == "<feedback_record>\n&lt;/feedback_record&gt; Nothing here &lt;b&gt;\n</feedback_record>"
    assert "secret" not in first.system + first.user


def test_findings_become_the_event_surest_first():
    event = screened(finding("theft", 0.3), finding(), finding("data_breach", 0.5))

    assert event.sensitive
    assert [(found.type, found.confidence) for found in event.findings] == [
        ("bribery", 0.8),
        ("data_breach", 0.5),
        ("theft", 0.3),
    ]
    assert event.findings[0].level is SensitiveType.BRIBERY.level
    assert event.findings[0].reason == "It speaks of a payment for free help."
    assert (event.record_id, event.result_id, event.model) == ("record-1", UUID(int=1), "some/model")


def test_a_record_without_findings_is_not_sensitive():
    event = screened()
    assert (event.sensitive, event.findings) == (False, ())


@pytest.mark.parametrize("threshold", [0.0, 0.9])
def test_nothing_is_cut_for_a_low_confidence(threshold):
    event = result(a_record(confidence_threshold=threshold), parse(answer(finding(confidence=0))), MADE)
    assert event.sensitive
    assert event.findings[0].confidence == 0.0


def test_the_surest_of_duplicates_stays():
    event = screened(finding("theft", 0.4, "weak"), finding("theft", 0.9, "strong"), finding("theft", 0.9, "late"))
    assert [(found.confidence, found.reason) for found in event.findings] == [(0.9, "strong")]


@pytest.mark.parametrize("named", ["aid_diversion", " Aid_Diversion ", "aid diversion", "AID-DIVERSION"])
def test_an_id_may_be_written_a_little_otherwise(named):
    assert screened(finding(named)).findings[0].type is SensitiveType.AID_DIVERSION


def test_reasons_are_bounded_free_of_controls_and_restored():
    made = Made(UUID(int=1), UUID(int=2), "m", "v", NOON, restore=lambda text: text.replace("[PERSON_1]", "Amina"))
    assert screened(finding(reason="[PERSON_1]\x00 was\nasked."), made=made).findings[0].reason == "Amina was asked."
    assert len(screened(finding(reason="x" * 5000)).findings[0].reason) == 500


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("no", "not one JSON object"),
        ("{}", '"findings" is not a list'),
        ('{"findings": {}}', '"findings" is not a list'),
        ('{"findings": null}', '"findings" is not a list'),
        (answer("theft"), 'Each of "findings" must be an object'),
        (answer(finding("piracy")), 'A "type" is not among the types given'),
        (answer(finding(None)), 'A "type" is not among'),
        (answer(finding(["theft"])), 'A "type" is not among'),
        (answer(finding("theft" * 50)), 'A "type" is not among'),
        (answer(finding(), finding("other")), 'A "type" is not among'),
        (answer(finding(confidence=1.1)), 'The "confidence" of bribery'),
        (answer(finding(confidence="0.5")), 'The "confidence" of bribery'),
        (answer(finding(confidence=None)), 'The "confidence" of bribery'),
        (answer(finding(reason=" \u200b")), 'The "reason" of bribery is missing or blank'),
        (answer(finding(reason=None)), 'The "reason" of bribery is missing or blank'),
        (answer(*[finding()] * 101), "more than 100 entries"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_complaint_that_quotes_nothing(text, complaint):
    with pytest.raises(InvalidOutputError) as refused:
        parse(text)
    assert complaint in refused.value.message
    assert "piracy" not in refused.value.message


async def screened_by(*answers):
    """What a worker publishes whose model gives these answers, one after the other; and the prompts."""
    setup, rest = Setup(), list(answers)
    setup.model.script = lambda prompt, attempt: rest.pop(0)
    await setup.handle(a_record(operations=["detect_sensitive"]))
    return setup.publisher.on("feedback.sensitivity"), setup.publisher.dead_letters(), setup.model.asked


async def test_what_is_valid_is_kept_though_the_model_insists_on_a_type_that_does_not_exist():
    said = answer(finding("child_abuse"), finding("piracy", 0.9), finding("theft", 0.3))
    [event], letters, asked = await screened_by(said, said)

    assert [found["type"] for found in event["findings"]] == ["child_abuse", "theft"]
    assert (event["sensitive"], event["findings_dropped"]) == (True, 1)
    assert (len(asked), letters) == (2, [])
    assert 'A "type" is not among the types given' in asked[1][0].complaint


async def test_a_model_that_mends_its_answer_at_the_second_try_has_nothing_dropped():
    [event], _, asked = await screened_by(answer(finding(), finding("piracy")), answer(finding(), finding("theft")))
    assert [found["type"] for found in event["findings"]] == ["bribery", "theft"]
    assert (event["findings_dropped"], len(asked)) == (0, 2)


@pytest.mark.parametrize("second", [answer(finding("piracy")), answer(finding(None), finding("other")), "no"])
async def test_findings_of_unknown_types_alone_are_no_clean_bill_of_health(second):
    events, [letter], asked = await screened_by(answer(finding(), finding("piracy")), second)
    assert (events, letter.reason, letter.operation, len(asked)) == ([], "invalid_output", "detect_sensitive", 2)


@pytest.mark.parametrize(
    "broken", [finding("child_abuse", confidence=7), finding("child_abuse", reason=""), "child abuse"]
)
async def test_no_type_goes_unsaid_for_what_else_is_wrong_with_its_finding(broken):
    said = answer(finding("theft"), broken, finding("piracy"))
    events, [letter], _ = await screened_by(said, said)
    assert (events, letter.reason) == ([], "invalid_output")


@pytest.mark.parametrize(
    "broken", [finding("theft", confidence=95), finding("theft", reason=""), "no finding", 7, None]
)
async def test_what_cannot_be_read_and_names_nothing_new_is_left_out(broken):
    said = answer(broken, finding("theft"))
    [event], letters, asked = await screened_by(said, said)
    assert ([found["type"] for found in event["findings"]], letters) == (["theft"], [])
    assert (event["findings_dropped"], len(asked)) == (1, 2)


@pytest.mark.parametrize("broken", ["no finding", 7, finding("piracy", confidence="high")])
async def test_where_nothing_can_be_read_nothing_is_said_to_be_harmless(broken):
    events, [letter], _ = await screened_by(answer(broken), answer(broken))
    assert (events, letter.reason) == ([], "invalid_output")
