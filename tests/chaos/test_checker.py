"""The checker finds every way in which evidence can be wrong, and nothing wrong with evidence that is right."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.breaches import BREACHES, CALL
from tests.chaos.changes import (
    MIB,
    STORY,
    Change,
    a_letter,
    a_result,
    both,
    commit_moved,
    grown,
    having,
    plus,
    result_of,
    without,
)
from tests.chaos.checker import check
from tests.chaos.evidence import Evidence, Vitals
from tests.chaos.healthy import KINDS, SECRET, healthy


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
