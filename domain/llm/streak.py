"""What speaks against a provider: the failures since it last answered anyone."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from domain.errors import LLMError, ProviderMisconfiguredError, RateLimitedError


@dataclass(eq=False, slots=True)
class Streak:
    """Failures since the last answer to anyone that count against the provider.

    Attributes:
        since: when the first attempt that failed was begun, but not before the last answer.
        first: when it failed.
        failures: how many failed, rate limits that say when to come back left out.
        refusals, refused_since, refused, latest: the refusals of ours at their end, whose they were, and the last.
    """

    since: float | None = None
    first: float = 0.0
    failures: int = 0
    refusals: int = 0
    refused_since: float = 0.0
    refused: set[Hashable] = field(default_factory=set)
    latest: ProviderMisconfiguredError | None = field(default=None, repr=False)

    def count(self, error: LLMError, began: float, now: float, caller: Hashable) -> None:
        """One more, of an attempt that was made since `began` for the input `caller`."""
        if self.since is None:
            self.since, self.first = began, now
        if not isinstance(error, ProviderMisconfiguredError):
            self.refusals = 0
            self.refused.clear()
            # A rate limit that says when to come back: the provider is up.
            self.failures += not (isinstance(error, RateLimitedError) and error.retry_after is not None)
            return
        if self.refusals == 0:
            self.refused_since = now
        self.failures += 1
        self.refusals += 1
        self.refused.add(caller)
        self.latest = error
