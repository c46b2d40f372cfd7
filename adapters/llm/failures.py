"""What a failed attempt means to us: HTTP statuses and LiteLLM's exceptions put into our own tree of errors.

The messages are our own sentences: what a provider wrote may quote the prompt, so it is never passed on.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from domain.errors import (
    InvalidOutputError,
    LLMError,
    LLMTimeoutError,
    ProviderMisconfiguredError,
    ProviderRefusedError,
    ProviderUnavailableError,
    RateLimitedError,
)


class AnswerTooLongError(InvalidOutputError):
    """A 2xx whose body is over the limit: billed, and likely as long again, so it gets no more tries than nonsense.

    Attributes:
        http_status: the provider's.
    """

    def __init__(self, message: str, *, http_status: int) -> None:
        super().__init__(message)
        self.http_status = http_status


@dataclass(slots=True)
class Trace:
    """What went over the wire in one attempt.

    Attributes:
        requests: how many HTTP requests were sent.
        status: the HTTP status of the latest answer; None = there was none.
        headers: of that answer, names in lower case; only those that failures are read from.
        sent: the addresses that a request was sent to.
        refused: why we refused that answer ourselves.
    """

    requests: int = 0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    refused: LLMError | AnswerTooLongError | None = None


_TIMEOUTS = frozenset({408, 504})
_MISCONFIGURED = frozenset({401, 402, 403, 404, 405})
_TRY_AGAIN = frozenset({409, 425})


def from_status(status: int, headers: Mapping[str, str] | None = None) -> LLMError:
    """The error that an HTTP status other than 2xx stands for.

    Args:
        status: as the provider gave it.
        headers: of the answer, by case-insensitive name or by lower-case name; `Retry-After` is read from them.
    """
    wait = retry_after(headers or {})
    if status == 429:
        return RateLimitedError("The provider asked to slow down (429).", http_status=status, retry_after=wait)
    if status in _TIMEOUTS:
        return LLMTimeoutError(f"The provider gave up waiting ({status}).", http_status=status, retry_after=wait)
    if status >= 500 or status in _TRY_AGAIN:
        return ProviderUnavailableError(f"The provider failed ({status}).", http_status=status, retry_after=wait)
    if 300 <= status < 400:
        message = f"The provider answered with a redirect ({status}), which is not followed: is the address right?"
        return ProviderMisconfiguredError(message, http_status=status)
    if status in _MISCONFIGURED:
        return ProviderMisconfiguredError(
            f"The provider refuses every request of ours ({status}): is the key right, the model's name, the address?",
            http_status=status,
        )
    return ProviderRefusedError(f"The provider refused the request ({status}).", http_status=status)


def too_long(max_bytes: int, status: int, headers: Mapping[str, str] | None = None) -> LLMError | AnswerTooLongError:
    """The error for a body over the limit: a 2xx is no usable output, any other is what its status says."""
    if 200 <= status < 300:
        return AnswerTooLongError(f"The answer is longer than {max_bytes} bytes.", http_status=status)
    return from_status(status, headers)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The seconds that `Retry-After` asks to wait (RFC 9110, 10.2.3: seconds, or a date); None = it says nothing.

    A fraction, and OpenAI's more exact `retry-after-ms`, are understood too. What makes no sense is ignored.
    """
    exact = _seconds(_get(headers, "retry-after-ms"))
    if exact is not None:
        return exact / 1000
    told = _get(headers, "retry-after")
    if told is None:
        return None
    seconds = _seconds(told)
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(told)
    except (TypeError, ValueError):
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def _get(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name) or headers.get(name.title())
    return value if isinstance(value, str) else None


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def from_litellm(error: Exception, exceptions: Any, trace: Trace) -> LLMError | AnswerTooLongError | None:
    """The error that one of LiteLLM's exceptions stands for; None = it is no failure of a provider's, but a bug.

    LiteLLM's class comes first, for it reads the providers' error codes (a wrong key is a 400 for some). Its
    statuses come last, for it invents them where there was no answer: a refused connection is a 500.

    Args:
        error: what `acompletion` raised.
        exceptions: the module `litellm.exceptions`.
        trace: what went over the wire meanwhile.
    """
    if trace.refused is not None:
        return trace.refused
    told = getattr(error, "status_code", None)
    status = trace.status if trace.requests else told
    headers = trace.headers or _headers(error)
    meaning = _by_class(error, exceptions)
    if meaning is None and trace.status is not None and not 200 <= trace.status < 300:
        meaning = trace.status
    if meaning is None and isinstance(told, int):
        meaning = told if 300 <= told <= 999 else 500
    if meaning is None:
        return None
    mapped = from_status(meaning, headers)
    mapped.http_status = status if isinstance(status, int) and 100 <= status <= 999 else None
    return mapped


def _by_class(error: Exception, exceptions: Any) -> int | None:
    """The HTTP status that says what one of LiteLLM's classes says, where the class tells more than a status."""
    meanings: tuple[tuple[Any, int], ...] = (
        (exceptions.Timeout, 408),
        (exceptions.RateLimitError, 429),
        (exceptions.AuthenticationError, 401),
        (exceptions.PermissionDeniedError, 403),
        (exceptions.NotFoundError, 404),
        (exceptions.PaymentRequiredError, 402),
        ((exceptions.ContentPolicyViolationError, exceptions.ContextWindowExceededError), 400),
        ((exceptions.APIConnectionError, exceptions.APIResponseValidationError), 500),
    )
    return next((status for kinds, status in meanings if isinstance(error, kinds)), None)


def _headers(error: Exception) -> dict[str, str]:
    given = getattr(error, "litellm_response_headers", None)
    if given is None:
        given = getattr(getattr(error, "response", None), "headers", None)
    return {str(name).lower(): str(value) for name, value in dict(given or {}).items()}
