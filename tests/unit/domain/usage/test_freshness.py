"""What an answer says of its freshness."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.usage.freshness import SETTLED_AFTER, STORING_SECONDS, UNKNOWN_AFTER, Told, freshness

AS_OF = datetime(2026, 12, 1, 8, 30, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def test_what_nobody_told_is_not_known():
    fresh = freshness(Told(), AS_OF)
    assert (fresh.lag, fresh.lag_as_of) == (None, None)


@pytest.mark.parametrize(("ago", "lag"), [(timedelta(), 3), (UNKNOWN_AFTER, 3), (UNKNOWN_AFTER + MOMENT, None)])
def test_a_lag_that_was_told_long_ago_is_not_known_either(ago, lag):
    fresh = freshness(Told(3, AS_OF - ago), AS_OF)
    assert (fresh.lag, fresh.lag_as_of) == (lag, AS_OF - ago)


@pytest.mark.parametrize(
    ("before", "lasts"),
    [
        (None, None),
        (AS_OF - SETTLED_AFTER, True),
        (AS_OF - SETTLED_AFTER + MOMENT, False),
        (AS_OF + timedelta(days=1), False),
    ],
)
def test_an_answer_can_be_had_again_once_every_statement_that_began_before_is_over(before, lasts):
    fresh = freshness(Told(), AS_OF, ingested_before=before)
    assert fresh.reproducible is lasts
    assert fresh.settled_before == AS_OF - SETTLED_AFTER
    assert timedelta(seconds=STORING_SECONDS) < SETTLED_AFTER
