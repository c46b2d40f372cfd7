"""What of a delivery can be set."""

from dataclasses import dataclass, field

from domain.delivery.parts import PartsSettings
from domain.llm.retry import RetryPolicy
from domain.operations.many.limits import Limits
from schemas.operations import Operation


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How much at once, how long, and when to stop.

    Attributes:
        max_in_flight: conversations with the model at once, and so LLM calls; inputs are read for that many.
        framework_wait_seconds: how long an input waits for its framework, counted from its broker timestamp.
        framework_grace_seconds: the least that it waits, however old it is.
        framework_token_budget: how long a framework may be in a prompt, as `domain.llm.tokens` counts.
        deadline_seconds: time for one invocation on one record, all attempts and pauses included, provider outages not
            counted. An attempt that began in time may end: it is bounded by its own timeout.
        many_deadline_seconds: the same for an invocation over many records; never less than for one.
        coding_batch: records that are coded in one LLM call, at most; 1: each in its own.
        coding_batch_wait_seconds: how long a record waits for others to be coded with.
        retry: how long to pause between attempts.
        dead_letter_share, dead_letter_window, dead_letter_minimum: the worker halts when more than this share of the
            latest `window` outcomes of an operation, at least `minimum` of them, were dead letters.
        parts: how long the parts of a request wait for each other, and how many.
        many: how much of a request over many records goes into one prompt, how much is asked at once.
    """

    max_in_flight: int
    framework_wait_seconds: float
    framework_token_budget: int
    deadline_seconds: float
    dead_letter_share: float
    many_deadline_seconds: float = 1800.0
    framework_grace_seconds: float = 2.0
    coding_batch: int = 1
    coding_batch_wait_seconds: float = 0.05
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    dead_letter_window: int = 200
    dead_letter_minimum: int = 100
    parts: PartsSettings = field(default_factory=PartsSettings)
    many: Limits = field(default_factory=Limits)

    def deadline(self, operation: Operation) -> float:
        """Seconds for one invocation of an operation."""
        if operation in (Operation.ANALYZE, Operation.SUMMARIZE_AGGREGATE):
            return max(self.deadline_seconds, self.many_deadline_seconds)
        return self.deadline_seconds
