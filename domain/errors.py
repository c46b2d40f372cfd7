"""Every error of ours, as one tree. Each carries the sentence that a person reads; a user's errors a remedy too.

FeedbackError
├── UserError               a person's mistake or a missing prerequisite: one line, exit code 2
├── InputError              a bad input event: a dead letter with `reason`
│   ├── NotJSONError, EmptyPayloadError, WrongSchemaError, BlankContentError, UnknownVersionError, TooLargeError
│   │                       └── TooManyPartsError, of TooLargeError
│   ├── NotStorableError
│   ├── UnknownFrameworkError
│   ├── IncompleteRequestError, FailedWithAnotherPartError
│   ├── BudgetExhaustedError
│   └── DeadlineExceededError
├── LLMError                one attempt against a provider failed
│   ├── RetryableLLMError   another attempt may succeed
│   │   └── LLMTimeoutError, RateLimitedError, ProviderUnavailableError
│   └── PermanentLLMError   the same request cannot succeed
│       └── ProviderRefusedError, ProviderMisconfiguredError
├── InvalidOutputError      the model answered, but not with what was asked
├── BrokerUnavailableError  Kafka did not acknowledge a message in time
├── SinkUnavailableError    the database cannot take rows now; no row is to blame
├── UsageUnavailableError   the database cannot answer a usage question now
├── WebhookUnavailableError a webhook did not take what it was told
├── TooManyGroupsError      a usage question whose answer nobody could read
├── WorkerHaltedError       going on would do harm: the worker stops, nothing is acknowledged
│   └── TooManyDeadLettersError, ProviderUnusableError
└── BugError                a fault in this program, told without the text of the exception behind it

The rest of the project raises subclasses of these; anything else that reaches a worker is a bug.
"""

from typing import ClassVar


class FeedbackError(Exception):
    """Something that this project expects to go wrong."""

    reason: ClassVar[str] = "internal_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UserError(FeedbackError):
    """A person can mend it: `message` says what is wrong, `remedy` what to do next."""

    reason: ClassVar[str] = "usage"

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class InputError(FeedbackError):
    """An input event cannot be answered, whoever tries."""

    reason: ClassVar[str] = "bad_input"


class EmptyPayloadError(InputError):
    """The message has no value, or an empty one."""

    reason = "empty_payload"


class NotJSONError(InputError):
    """The value is not a JSON object in UTF-8."""

    reason = "not_json"


class WrongSchemaError(InputError):
    """The value is JSON, but not the event that its topic carries."""

    reason = "wrong_schema"


class BlankContentError(InputError):
    """The content is empty, or holds only white space."""

    reason = "blank_content"


class UnknownVersionError(InputError):
    """The event names a schema version that this release does not know."""

    reason = "unknown_version"


class TooLargeError(InputError):
    """The content, or the result, is larger than what may travel."""

    reason = "too_large"


class TooManyPartsError(TooLargeError):
    """More bytes of requests wait for their other parts than one worker may hold."""


class NotStorableError(InputError):
    """The event is as its schema asks, but the database refuses its row: a NUL character in a text, say."""

    reason = "not_storable"


class UnknownFrameworkError(InputError):
    """The record's coding framework did not arrive in time."""

    reason = "unknown_framework"


class IncompleteRequestError(InputError):
    """Some parts of the request did not arrive in time."""

    reason = "incomplete_request"


class FailedWithAnotherPartError(InputError):
    """The request failed, and this is another part of it than the one that tells why: it has the same reason."""

    def __init__(self, error: FeedbackError) -> None:
        super().__init__(error.message)
        self.reason = error.reason  # type: ignore[misc]  # the one error whose reason is another's


class BudgetExhaustedError(InputError):
    """The tenant has spent its budget, and the operation is paused: nobody is at fault, and it is done later."""

    reason = "budget_exhausted"

    def __init__(self, operation: str) -> None:
        """Of one operation of an input; `message` says who does it, and when."""
        super().__init__(
            f"The tenant's budget is spent, and its {operation} paused. When the period is over or the limit is "
            "raised, `feedback budgets` sends the input again; "
            f"`feedback dead-letters replay --reason {self.reason}` does by hand."
        )


class DeadlineExceededError(InputError):
    """One invocation alone used up its time; the provider was answering others."""

    reason = "deadline_exceeded"


class LLMError(FeedbackError):
    """One attempt against a provider failed.

    Attributes:
        http_status: the provider's HTTP status, where it gave one.
        retry_after: seconds that the provider asked to wait, where it did.
    """

    reason: ClassVar[str] = "llm_error"

    def __init__(self, message: str, *, http_status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.retry_after = retry_after


class RetryableLLMError(LLMError):
    """Another attempt at the same request may succeed."""


class LLMTimeoutError(RetryableLLMError):
    """The provider did not answer within the time for one attempt."""


class RateLimitedError(RetryableLLMError):
    """The provider asked us to slow down (429)."""


class ProviderUnavailableError(RetryableLLMError):
    """The provider could not be reached, or failed on its side (5xx)."""


class PermanentLLMError(LLMError):
    """The same request cannot succeed, however often it is sent."""


class ProviderRefusedError(PermanentLLMError):
    """The provider refused this request: its content, its size or its form."""

    reason = "provider_refused"


class ProviderMisconfiguredError(PermanentLLMError):
    """The provider refuses every request of ours: a wrong key, an unknown model. No input is to blame."""

    reason = "provider_misconfigured"


class InvalidOutputError(FeedbackError):
    """The model answered, but not with what was asked. `message` is the complaint that a second try may show it.

    It never quotes the model's output.
    """

    reason: ClassVar[str] = "invalid_output"


class BrokerUnavailableError(FeedbackError):
    """Kafka did not acknowledge a message in time; it may or may not have arrived."""

    reason: ClassVar[str] = "broker_unavailable"


class SinkUnavailableError(FeedbackError):
    """The database cannot take rows now: no row is to blame, and the same batch may be written later."""

    reason: ClassVar[str] = "sink_unavailable"


class UsageUnavailableError(FeedbackError):
    """The database cannot answer a question of the API now; the same question may be answered later."""

    reason: ClassVar[str] = "usage_backend_unavailable"


class WebhookUnavailableError(FeedbackError):
    """A webhook did not take what it was told; it may be told again later."""

    reason: ClassVar[str] = "webhook_unavailable"


class TooManyGroupsError(FeedbackError):
    """The answer to a usage question has more groups than anybody could read, or a program should hold."""

    reason: ClassVar[str] = "too_many_groups"


class DroppedCallsError(FeedbackError):
    """The answer takes single LLM calls of months of which only whole days of UTC are kept, added up."""

    reason: ClassVar[str] = "calls_dropped"


class TooManyQuestionsError(FeedbackError):
    """A tenant asks more at one time than its share; the same question may be answered later."""

    reason: ClassVar[str] = "too_many_questions"


class WorkerHaltedError(FeedbackError):
    """Going on would do harm: the worker stops, and what it had not finished is redelivered later."""

    reason: ClassVar[str] = "worker_halted"


class TooManyDeadLettersError(WorkerHaltedError):
    """Most of the latest inputs became dead letters: the fault is hardly in each of them."""


class ProviderUnusableError(WorkerHaltedError):
    """The provider refuses every request of ours: a wrong key, an unknown model."""


class BugError(FeedbackError):
    """A fault in this program. It names the kind of the exception behind it, whose own text may quote an input.

    Raise it where that exception is no longer being handled, so that nothing can print it as this one's context.
    """
