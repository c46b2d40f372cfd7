"""Pauses between attempts stay within their bounds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import (
    DeadlineExceededError,
    LLMTimeoutError,
    ProviderMisconfiguredError,
    ProviderRefusedError,
    ProviderUnavailableError,
    RateLimitedError,
)
from domain.llm.retry import GiveUp, RetryPolicy, Wait, decide

seconds = st.floats(0, 1e6)
random = st.floats(0, 1, exclude_max=True)


@given(st.floats(0.01, 10), seconds, st.integers(1, 10_000), seconds, random, st.none() | st.floats(), st.booleans())
def test_a_pause_is_within_the_ceiling_the_deadline_and_what_the_provider_asked(
    base, cap, failures, remaining, chance, retry_after, limited
):
    policy = RetryPolicy(base_seconds=base, cap_seconds=cap)
    kind = RateLimitedError if limited else ProviderUnavailableError
    decision = decide(policy, kind("no", retry_after=retry_after), failures, remaining, lambda: chance)

    asked = retry_after if retry_after is not None and math.isfinite(retry_after) and retry_after > 0 else 0.0
    asked = min(asked, 300)
    if isinstance(decision, Wait):
        assert min(asked, remaining) <= decision.seconds <= remaining
        assert decision.seconds <= asked + min(cap, base * 2.0 ** min(failures - 1, 30))
    else:
        assert isinstance(decision.error, DeadlineExceededError)
        assert remaining == 0


@given(st.integers(1, 100))
def test_ceilings_double_up_to_the_cap(failures):
    policy = RetryPolicy(base_seconds=0.5, cap_seconds=20)
    assert policy.ceiling(failures) == min(20, 0.5 * 2 ** (failures - 1))


def test_full_jitter_uses_the_whole_range():
    policy = RetryPolicy()
    pauses = [decide(policy, LLMTimeoutError("late"), 3, 100, lambda c=c: c) for c in (0.0, 0.5)]
    assert pauses == [Wait(0.0), Wait(1.0)]


def test_a_refusal_is_given_up_at_once():
    refusal = ProviderRefusedError("no")
    assert decide(RetryPolicy(), refusal, 1, 100, lambda: 0.5) == GiveUp(refusal)


def test_a_wrong_key_is_retried_like_an_outage():
    assert isinstance(decide(RetryPolicy(), ProviderMisconfiguredError("key"), 1, 100, lambda: 0.5), Wait)


@pytest.mark.parametrize("remaining", [-1000, 0])
def test_a_wrong_key_is_never_one_inputs_deadline(remaining):
    key = ProviderMisconfiguredError("key", http_status=401)
    assert decide(RetryPolicy(), key, 1, remaining, lambda: 0.5) == Wait(0.25)


@pytest.mark.parametrize("remaining", [0.1, 4.9])
def test_a_pause_that_would_outlast_the_time_ends_with_it(remaining):
    """Not sooner: there is one last attempt at its end."""
    assert decide(RetryPolicy(), RateLimitedError("slow down", retry_after=5), 1, remaining, float) == Wait(remaining)


@pytest.mark.parametrize("remaining", [0, -5])
def test_no_attempt_after_the_time(remaining):
    decision = decide(RetryPolicy(), RateLimitedError("slow down", retry_after=5, http_status=429), 1, remaining, float)
    assert isinstance(decision, GiveUp)
    assert "RateLimitedError 429" in str(decision.error)
