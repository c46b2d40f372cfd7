"""Coding: what is asked, and what becomes of the answer."""

import json
from uuid import UUID

import pytest

from domain.errors import InvalidOutputError
from domain.operations import assign_codes
from domain.operations.answers import Made
from domain.operations.assign_codes import parse, prompt, result
from domain.operations.outline import outline_of
from tests.builders import NOON, a_framework, a_record

OUTLINE = outline_of(a_framework())
MADE = Made(UUID(int=1), UUID(int=2), "some/model", "assign_codes.v1", NOON)


def answer(*codes, because=None):
    return json.dumps({"codes": codes, "abstained_because": because})


def code(code_id="1.1.1", confidence=(0.9, 0.8, 0.7), reason="It says so."):
    return {"id": code_id, "confidence": confidence, "reason": reason}


def coded(*codes, because=None, **record):
    return result(a_record(**record), OUTLINE, parse(answer(*codes, because=because), OUTLINE), MADE)


def test_the_prompt_has_stable_text_first_options_last_and_the_record_apart():
    first = prompt(a_record(content="Dry <tap>", max_codes=2, metadata={"secret": "x"}), OUTLINE)
    second = prompt(a_record(content="Other", output_language="French", language="en"), OUTLINE)

    assert first.system.startswith("Task: assign_codes\n")
    assert "\n<framework>\n1 Services\n" in first.system
    assert first.system.endswith("</framework>\n<options>\nmax_codes: 2\n</options>")
    assert second.system.endswith("<options>\nmax_codes: 3\noutput_language: French\n</options>")
    assert first.system.split("<options>")[0] == second.system.split("<options>")[0]
    assert first.user == "<feedback_record>\nDry &lt;tap&gt;\n</feedback_record>"
    assert "secret" not in first.system + first.user
    assert "Dry" not in first.system.replace("Dry Water Point", "")


def test_a_code_becomes_its_path_with_a_confidence_a_level():
    event = coded(code())

    assert (event.record_id, event.framework_id, event.framework_version) == ("record-1", "community-feedback", "1")
    (assigned,) = event.codes
    assert assigned.code_id == "dry-water-point"
    assert [(step.id, step.confidence) for step in assigned.path] == [
        ("services", 0.9),
        ("water", 0.8),
        ("dry-water-point", 0.7),
    ]
    assert assigned.confidence == 0.7
    assert event.abstained_because is None
    assert (event.result_id, event.model, event.completed_at) == (UUID(int=1), "some/model", NOON)


@pytest.mark.parametrize("named", ["1.1", "water", " 1.1. ", " water "])
def test_codes_above_the_leaves_and_their_own_ids_are_accepted(named):
    assert coded(code(named, (0.5, 0.4))).codes[0].code_id == "water"


def test_best_first_at_most_as_many_as_asked():
    event = coded(code("2", [0.5]), code("1.1.2", (0.9, 0.9, 0.6)), code(), max_codes=2)
    assert [assigned.code_id for assigned in event.codes] == ["dry-water-point", "dirty-water"]


def test_the_best_of_duplicates_stays():
    event = coded(code("2", [0.5], "weak"), code("thanks", [0.8], "strong"), code("2", [0.1]))
    assert [(assigned.confidence, assigned.reason) for assigned in event.codes] == [(0.8, "strong")]


def test_codes_below_the_threshold_are_dropped_and_an_empty_rest_says_so():
    assert [c.code_id for c in coded(code(), code("2", [0.5]), confidence_threshold=0.7).codes] == ["dry-water-point"]

    event = coded(code(), confidence_threshold=0.75)
    assert event.codes == ()
    assert event.abstained_because == "No code reached the confidence threshold of 0.75."


def test_an_abstention_keeps_its_reason():
    event = coded(because="A greeting\x00, nothing more.")
    assert event.codes == ()
    assert event.abstained_because == "A greeting, nothing more."


def test_reasons_are_bounded_and_free_of_controls():
    reason = coded(code(reason="x\n\x00" * 5000)).codes[0].reason
    assert len(reason) == 500
    assert reason.isprintable()
    with pytest.raises(InvalidOutputError, match="blank"):
        coded(code(reason="\u200b"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (answer(code("9.9")), "The id 9.9 does not exist in the framework."),
        (answer(code("<b>water</b>")), "An id does not exist in the framework."),
        (answer(code("1" * 21)), "An id does not exist in the framework."),
        (answer(code("")), "An id does not exist"),
        (answer({**code(), "id": 1.1}), 'The "id" of a code must be a string'),
        (answer(code(confidence=[0.9])), 'The "confidence" of code 1.1.1 must be a list of 3 numbers'),
        (answer(code(confidence=0.9)), "must be a list of 3 numbers"),
        (answer(code(confidence=[0.9, 0.8, 1.2])), "must be a list of 3 numbers"),
        (answer(code(confidence=[0.9, 0.8, "0.7"])), "must be a list of 3 numbers"),
        (answer("1.1.1"), 'Each of "codes" must be an object'),
        (answer(*[code()] * 251), "more than 250 entries"),
        (answer(), '"codes" is empty, but "abstained_because"'),
        (answer(because="  "), '"codes" is empty, but "abstained_because"'),
        ('{"codes": {}}', '"codes" is not a list'),
        ("{}", '"codes" is not a list'),
    ],
)
def test_what_does_not_fit_is_refused_with_a_complaint(text, complaint):
    with pytest.raises(InvalidOutputError) as refused:
        parse(text, OUTLINE)
    assert complaint in refused.value.message


def test_codes_that_no_message_holds_are_left_out_and_counted_the_surest_stay():
    ancestors = [{"id": f"{'階' * 1000}{level}", "name": "層" * 900} for level in range(15)]
    tree = [{"id": f"{'葉' * 1000}{leaf}", "name": "葉"} for leaf in range(50)]
    for ancestor in reversed(ancestors):
        tree = [{**ancestor, "children": tree}]
    outline = outline_of(a_framework(root_codes=tree))
    said = [code(f"{'1.' * 15}{leaf}", [1 - leaf / 100] * 16) for leaf in range(1, 51)]

    event = result(a_record(max_codes=50), outline, parse(answer(*said), outline), MADE)

    assert len(event.to_bytes()) < 1_000_000
    assert 0 < len(event.codes) == 50 - event.codes_left_out < 50
    assert [assigned.confidence for assigned in event.codes] == [
        1 - leaf / 100 for leaf in range(1, len(event.codes) + 1)
    ]


def test_what_fits_is_all_there_and_one_code_always_is(monkeypatch):
    assert coded(code()).codes_left_out == 0
    monkeypatch.setattr(assign_codes, "MAX_CODES_BYTES", 10)
    event = coded(code(), code("1.1.2"))
    assert (len(event.codes), event.codes_left_out) == (1, 1)
