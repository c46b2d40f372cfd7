"""When to try a failed attempt again. Decisions only; whoever asks does the waiting.

Source: exponential backoff with full jitter, as in M. Brooker, "Exponential Backoff And Jitter" (AWS, 2015).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from domain.errors import DeadlineExceededError, FeedbackError, LLMError, ProviderMisconfiguredError, RetryableLLMError

MAX_EXPONENT = 30
LONGEST_RETRY_AFTER = 300.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait between attempts.

    Attributes:
        base_seconds: the most to wait after the first failure; doubled with each further one.
        cap_seconds: the most to wait at all, a provider's Retry-After aside.
        output_tries: how often a model is asked in all when its answer is not what was asked.
    """

    base_seconds: float = 0.5
    cap_seconds: float = 20.0
    output_tries: int = 2

    def ceiling(self, failures: int) -> float:
        """The most to wait after this many failures, in seconds."""
        exponent = min(max(failures - 1, 0), MAX_EXPONENT)
        return min(self.cap_seconds, self.base_seconds * 2.0**exponent)


@dataclass(frozen=True, slots=True)
class Wait:
    """Try again after this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not try again; this is why."""

    error: FeedbackError


def decide(
    policy: RetryPolicy, error: LLMError, failures: int, remaining_seconds: float, random: Callable[[], float]
) -> Wait | GiveUp:
    """Whether, and after how long, to try again.

    No pause outlasts the time, not even one that the provider asked for: at its end there is one last attempt. A wrong
    key or an unknown model is retried like an outage, and knows no deadline: whose fault it is, others must say.

    Args:
        policy: how long to wait.
        error: what the latest attempt failed with.
        failures: how many attempts have failed, this one included.
        remaining_seconds: what is left of the invocation's time.
        random: uniform in [0, 1).
    """
    if not isinstance(error, (RetryableLLMError, ProviderMisconfiguredError)):
        return GiveUp(error)
    seconds = pause(policy, error, failures, random)
    if isinstance(error, ProviderMisconfiguredError):
        return Wait(seconds)
    if remaining_seconds <= 0:
        return GiveUp(DeadlineExceededError(f"No usable answer in the time allowed; the last failure: {_kind(error)}."))
    return Wait(min(seconds, remaining_seconds))


def pause(policy: RetryPolicy, error: LLMError, failures: int, random: Callable[[], float]) -> float:
    """The seconds to wait after so many failures: what the provider asked for, and full jitter on top."""
    return asked_to_wait(error) + random() * policy.ceiling(failures)


def asked_to_wait(error: LLMError) -> float:
    """The provider's Retry-After in seconds, within reason; 0 where it gave none, or nonsense."""
    asked = error.retry_after
    return min(asked, LONGEST_RETRY_AFTER) if asked is not None and math.isfinite(asked) and asked > 0 else 0.0


def _kind(error: LLMError) -> str:
    return type(error).__name__ if error.http_status is None else f"{type(error).__name__} {error.http_status}"
