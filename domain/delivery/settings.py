"""What of a delivery can be set."""

from dataclasses import dataclass, field

from domain.llm.retry import RetryPolicy
from schemas.operations import Operation


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How much at once, how long, and when to stop.

    Attributes:
        max_in_flight: conversations with the model at once, and so LLM calls; inputs are read for that many.
        framework_wait_seconds: how long an input waits for its framework, counted from its broker timestamp.
        framework_grace_seconds: the least that it waits, however old it is.
        framework_token_budget: how long a framework may be in a prompt, at about 4 characters a token.
        deadline_seconds: time for one invocation on one record, all attempts and pauses included, provider outages not
            counted. An attempt that began in time may end: it is bounded by its own timeout.
        many_deadline_seconds: the same for an invocation over many records; never less than for one.
        retry: how long to pause between attempts.
        dead_letter_share, dead_letter_window, dead_letter_minimum: the worker halts when more than this share of the
            latest `window` outcomes of an operation, at least `minimum` of them, were dead letters.
    """

    max_in_flight: int
    framework_wait_seconds: float
    framework_token_budget: int
    deadline_seconds: float
    dead_letter_share: float
    many_deadline_seconds: float = 1800.0
    framework_grace_seconds: float = 2.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    dead_letter_window: int = 200
    dead_letter_minimum: int = 100

    def deadline(self, operation: Operation) -> float:
        """Seconds for one invocation of an operation."""
        if operation in (Operation.ANALYZE, Operation.SUMMARIZE_AGGREGATE):
            return max(self.deadline_seconds, self.many_deadline_seconds)
        return self.deadline_seconds
