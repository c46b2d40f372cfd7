"""Right, nearly right, sure and unsure: the figures of an evaluation, from plain values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.evaluation.curve import MARKS, curve_of
from runtime.evaluation.scoring import Given, Judged, Share, score

A1, A2, B1 = ("a", "a.x", "a.x.1"), ("a", "a.x", "a.x.2"), ("b", "b.x", "b.x.1")

codes = st.lists(st.sampled_from([A1, A2, B1, ("b",), ("c", "c.x")]), max_size=4, unique=True)
judged = st.builds(
    lambda paths, right, sure: Judged(Given(tuple(paths), (sure,) * len(paths)), tuple(right)),
    codes,
    codes.filter(bool),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)


def test_levels_are_those_of_the_first_code_and_any_label_is_right():
    scores = score(
        [
            Judged(Given((A1, B1), (0.9, 0.2)), (A1,)),
            Judged(Given((A2, A1), (0.8, 0.8)), (A1,)),
            Judged(Given((B1,), (0.4,)), (A1, B1)),
            Judged(Given(), (B1,)),
        ]
    )
    assert (scores.top1, scores.top3) == (Share(2, 4), Share(3, 4))
    assert scores.levels == (Share(3, 4), Share(3, 4), Share(2, 4))
    assert (scores.coded, scores.codes) == (Share(3, 4), 5)


def test_a_fourth_code_is_not_among_the_first_three_and_short_paths_have_no_deep_level():
    given_four = Given((("p",), ("q",), ("r",), ("b",)), (0.9, 0.8, 0.7, 0.6))
    scores = score([Judged(given_four, (("b",),)), Judged(Given((("a", "a.x"),), (0.5,)), (("a", "a.y"),))])
    assert scores.top3 == Share(0, 2)
    assert scores.levels == (Share(1, 2), Share(0, 1))


def test_nothing_to_score():
    scores = score([])
    assert (scores.top1, scores.levels, scores.curve.at(25)) == (Share(0, 0), (), None)
    assert scores.top1.interval == (0.0, 1.0)


def test_the_surest_come_first_and_abstentions_last():
    curve = curve_of([(0.2, False), (None, False), (0.9, True), (0.5, True)])
    assert [curve.at(mark).accuracy for mark in MARKS] == [1.0, 1.0, pytest.approx(2 / 3), 0.5]
    assert [curve.at(mark).confidence for mark in MARKS] == [0.9, 0.5, 0.2, None]


@given(st.lists(judged, max_size=20), st.randoms(use_true_random=False))
def test_whatever_was_answered(records, random):
    scores = score(records)
    assert scores.top1.hits <= scores.top3.hits <= scores.coded.hits
    for share in (scores.top1, scores.top3, *scores.levels):
        low, high = share.interval
        assert 0 <= low <= share.value + 1e-9
        assert share.value - 1e-9 <= high <= 1
    if records:
        assert scores.curve.at(100).accuracy == pytest.approx(scores.top1.value)
        assert all(-1e-9 <= point.accuracy <= 1 + 1e-9 for point in scores.curve.points)
    shuffled = list(records)
    random.shuffle(shuffled)
    for one, other in zip(score(shuffled).curve.points, scores.curve.points, strict=True):
        assert one.accuracy == pytest.approx(other.accuracy)
