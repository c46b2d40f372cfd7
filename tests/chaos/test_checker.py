"""The checker finds every way in which evidence can be wrong, and nothing wrong with evidence that is right."""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import deterministic_id
from tests.chaos.breaches import BREACHES, CALL
from tests.chaos.changes import (
    MIB,
    STORY,
    Change,
    a_letter,
    a_result,
    both,
    commit_moved,
    event,
    grown,
    having,
    plus,
    result_of,
    without,
)
from tests.chaos.checker import check
from tests.chaos.evidence import Evidence, Input, Letter, Result, Served, Vitals
from tests.chaos.healthy import KINDS, SECRET, TENANT, healthy


def broken(evidence: Evidence) -> set[str]:
    return {violation.invariant for violation in check(evidence).violations}


def test_nothing_is_wrong_with_a_healthy_story_and_its_figures_are_right():
    verdict = check(STORY)
    assert verdict.violations == ()
    assert verdict.passed
    assert (verdict.inputs, verdict.lost, verdict.doubled) == (len(KINDS) + 6, 0, 0)
    assert 0 < verdict.repeats <= verdict.allowed_repeats
    assert verdict.dead_letters == {
        "framework_missing": 1,
        "invalid_output": 2,
        "not_json": 3,
        "too_large": 1,
        "deadline_exceeded": 1,
    }
    assert (verdict.calls, verdict.surplus_calls) == (len(STORY.rows), 0)
    assert verdict.missing_calls == 3
    assert verdict.samples == len(STORY.samples)


@pytest.mark.parametrize("what", BREACHES)
def test_each_breach_is_found_and_named(what: str):
    named, change = BREACHES[what]
    changed = change(STORY)
    assert changed != STORY
    assert broken(changed) == set(named.split())
    for violation in check(changed).violations:
        assert SECRET not in violation.sentence


def test_every_invariant_is_put_to_the_test():
    assert {name for named, _ in BREACHES.values() for name in named.split()} == {f"I{n}" for n in range(1, 9)}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(grown(memory=219 * MIB, descriptors=110, tasks=110), id="a growth of less than a tenth"),
        pytest.param(
            having(watched=(), vitals={"api": (Vitals(10 * MIB, 5, None), Vitals(14 * MIB, 8, 99))}),
            id="a growth within the floor",
        ),
        pytest.param(commit_moved(-1), id="a commit that lags"),
        pytest.param(
            both(
                having(outcome_may_change=True),
                plus("letters", a_letter("one", "summarize")),
                plus("messages", a_result(result_of("half", "assign_codes"))),
            ),
            id="outcomes that may change",
        ),
        pytest.param(
            plus("topic_calls", replace(CALL, place=("llm.calls", 0, 9_999))), id="a call that was published twice"
        ),
        pytest.param(
            both(
                plus("topic_calls", replace(CALL, place=("llm.calls", 0, 9_999))),
                plus("letters_of_calls", replace(STORY.letters_of_calls[0], source=("llm.calls", 0, 9_999))),
            ),
            id="a call that was published twice, once as a dead letter",
        ),
        pytest.param(
            having(rows=(), told_by_api=None, told_by_sql=None), id="no database: the topic stands for the table"
        ),
        pytest.param(plus("letters", *STORY.letters_of_calls), id="dead letters of calls among the others"),
    ],
)
def test_what_is_allowed_is_no_breach(change: Change):
    assert check(change(STORY)).violations == ()


def test_every_breach_is_counted_and_a_few_are_told():
    verdict = check(replace(STORY, messages=(), samples=()))
    assert verdict.lost == len({message.result_id for message in STORY.messages})
    told = [violation for violation in verdict.violations if violation.invariant == "I1"]
    assert 1 < len(told) < verdict.lost
    assert str(verdict.lost - len(told) + 1) in told[-1].sentence


def test_several_invariants_are_told_at_once():
    changes = [BREACHES[what][1] for what in ("a result is gone", "a commit went one too far", "a secret in a log")]
    assert broken(both(*changes)(STORY)) == {"I1", "I6", "I8"}


def test_an_empty_secret_is_a_mistake_of_the_case():
    with pytest.raises(ValueError, match="secret 1 is empty"):
        check(replace(STORY, secrets=("",)))


def test_many_kills_each_explain_their_own_missing_calls_and_no_more():
    kinds = ["both"] * 60
    story = healthy(kinds, kills=range(0, 60, 7), commit_every=3)
    assert check(story).violations == ()
    fewer = replace(story, disturbances=story.disturbances[1:])
    assert "I4" in broken(fewer)


PARTS = [Input(("feedback.requests", 0, n), f"part-{n}", TENANT, ("analyze",), str(n), answers="whole") for n in (0, 1)]
WHOLE = Result(("feedback.analyses", 0, 0), str(deterministic_id("whole", "analyze")), TENANT, "asked")
GIVEN_UP = [replace(part, reason="incomplete_request") for part in PARTS]


def of_part(part: Input, **fields: Any) -> Letter:
    name = str(deterministic_id(part.event_id, "dead_letter", "analyze"))
    place = ("feedback.dead-letters", 0, 9_000 + part.place[2])
    letter = Letter(place, name, WHOLE.result_id, "analyze", "incomplete_request", TENANT, part.place, part.sha256)
    return replace(letter, **fields)


@pytest.mark.parametrize(
    ("named", "change"),
    [
        pytest.param("", both(plus("inputs", *PARTS), plus("messages", WHOLE)), id="answered"),
        pytest.param(
            "",
            both(plus("inputs", *GIVEN_UP), plus("letters", *map(of_part, GIVEN_UP))),
            id="each part a dead letter",
        ),
        pytest.param("I1", plus("inputs", *PARTS), id="never answered"),
        pytest.param(
            "I1 I7", both(plus("inputs", *GIVEN_UP), plus("letters", of_part(GIVEN_UP[0]))), id="a part without its own"
        ),
        pytest.param(
            "I1 I7",
            both(plus("inputs", *PARTS), plus("messages", WHOLE), plus("letters", of_part(PARTS[1]))),
            id="answered, and a part a dead letter",
        ),
        pytest.param(
            "I2",
            both(
                plus("inputs", *GIVEN_UP),
                plus("letters", of_part(GIVEN_UP[0]), of_part(GIVEN_UP[1], result_id=result_of("one", "analyze"))),
            ),
            id="a dead letter that names a result of its own",
        ),
        pytest.param(
            "I3",
            both(having(disturbances=()), plus("inputs", *PARTS, PARTS[0]), plus("messages", WHOLE, WHOLE)),
            id="answered twice, though only a part came again",
        ),
    ],
)
def test_a_request_in_parts_has_one_outcome_for_all_of_them(named: str, change: Change):
    story = healthy(["both"] * 8)
    assert broken(change(story)) == set(named.split())


def test_a_result_of_a_request_in_parts_is_repeated_once_however_many_parts_it_has():
    story = both(plus("inputs", *PARTS), plus("messages", WHOLE, WHOLE))(STORY)
    assert check(story).repeats == check(STORY).repeats + 1


def test_a_call_that_records_share_may_lack_its_row_where_a_kill_cut_it_and_nowhere_else():
    kill = STORY.disturbances[0]
    shared = Served("", "assign_codes", kill.began - 1, kill.began + 1, None, shared_by=(event("one"), event("both")))
    assert check(plus("served", shared)(STORY)).violations == ()
    assert broken(plus("served", replace(shared, began=9_990, ended=9_999))(STORY)) == {"I4"}
    assert broken(plus("served", *[shared] * 9)(STORY)) == {"I4"}


STORIES = st.builds(
    healthy,
    st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=12),
    st.lists(st.integers(0, 11), max_size=3),
    st.integers(1, 5),
)
OBSERVED = ("inputs", "messages", "letters", "letters_of_calls", "topic_calls", "rows", "served", "samples")


@given(STORIES, st.integers())
def test_healthy_stories_are_healthy_in_whatever_order_they_were_observed(story: Evidence, seed: int):
    random = Random(seed)
    shuffled = {
        name: tuple(random.sample(getattr(story, name), len(getattr(story, name))))
        for name in (*OBSERVED, "disturbances")
    }
    verdict = check(replace(story, **shuffled))
    assert verdict.violations == ()
    assert verdict == check(story)


@given(STORIES, st.data())
def test_whatever_single_thing_is_taken_away_is_missed(story: Evidence, data: st.DataObject):
    times = Counter(message.result_id for message in story.messages)
    times.update(letter.dead_letter_id for letter in story.letters)
    taken = [
        (name, number)
        for name in ("messages", "letters", "letters_of_calls", "topic_calls", "rows")
        for number, thing in enumerate(getattr(story, name))
        # A repeat may go: its first is still there.
        if times[getattr(thing, "result_id" if name == "messages" else "dead_letter_id", "")] <= 1
        # A message that is a dead letter may go from the topic by its age.
        if not (name == "topic_calls" and (thing.call is None or thing.call.call_id == "refused"))
    ]
    name, number = data.draw(st.sampled_from(taken))
    assert not check(without(name, number)(story)).passed
