"""A worker stops when most outcomes are dead letters, and not for a bad start or a bad moment."""

import pytest

from domain.delivery.dead_letter_limit import DeadLetterLimit
from domain.errors import TooManyDeadLettersError


def a_limit(*outcomes):
    limit = DeadLetterLimit(share=0.5, window=200, minimum=100)
    for dead in outcomes:
        limit.record("assign_codes", dead=dead)
    return limit


def test_too_few_outcomes_say_nothing():
    a_limit(*[True] * 99).check()


def test_more_than_the_share_halts():
    with pytest.raises(TooManyDeadLettersError, match="At assign_codes, 100 of the latest 100 outcomes"):
        a_limit(*[True] * 100).check()
    with pytest.raises(TooManyDeadLettersError):
        a_limit(*[True] * 101, *[False] * 99).check()


def test_the_share_itself_is_bearable():
    a_limit(*[True, False] * 100).check()


def test_only_the_latest_count():
    a_limit(*[True] * 1000, *[False] * 100).check()
    with pytest.raises(TooManyDeadLettersError):
        a_limit(*[False] * 1000, *[True] * 101).check()


def test_what_works_does_not_make_good_what_fails():
    limit = a_limit(*[True] * 100)
    for _ in range(200):
        limit.record("summarize", dead=False)
    with pytest.raises(TooManyDeadLettersError, match="assign_codes"):
        limit.check()
