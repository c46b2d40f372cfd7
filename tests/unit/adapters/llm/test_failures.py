"""What HTTP statuses and LiteLLM's exceptions mean to us."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from adapters.llm.failures import Trace, from_litellm, from_status, retry_after
from adapters.llm.litellm_setup import litellm
from domain.errors import (
    LLMError,
    LLMTimeoutError,
    ProviderMisconfiguredError,
    ProviderRefusedError,
    ProviderUnavailableError,
    RateLimitedError,
)

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expected", "statuses"),
    [
        (RateLimitedError, [429]),
        (LLMTimeoutError, [408, 504]),
        (ProviderUnavailableError, [409, 425, 500, 502, 503, 529]),
        (ProviderMisconfiguredError, [301, 302, 307, 308, 401, 402, 403, 404, 405]),
        (ProviderRefusedError, [400, 413, 414, 422, 431, 451]),
    ],
)
def test_each_status_has_its_class(expected: type[LLMError], statuses: list[int]) -> None:
    for status in statuses:
        error = from_status(status)
        assert type(error) is expected, status
        assert error.http_status == status


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90.0),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=90), usegmt=True)}, 0.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


def test_retry_after_is_carried_by_the_errors_that_are_tried_again() -> None:
    assert from_status(429, {"retry-after": "7"}).retry_after == 7.0
    assert from_status(503, {"retry-after": "7"}).retry_after == 7.0
    assert from_status(400, {"retry-after": "7"}).retry_after is None


def provider_error(name: str, status: int, headers: dict[str, str] | None = None) -> Exception:
    """One of LiteLLM's exceptions as its mapping builds it."""
    response = httpx.Response(status, headers=headers, request=httpx.Request("POST", "http://localhost"))
    made = getattr(litellm().exceptions, name)
    error: Exception = made(message="the prompt is quoted here", model="m", llm_provider="p", response=response)
    return error


@pytest.mark.parametrize(
    ("name", "status", "expected"),
    [
        ("AuthenticationError", 400, ProviderMisconfiguredError),
        ("PermissionDeniedError", 403, ProviderMisconfiguredError),
        ("NotFoundError", 404, ProviderMisconfiguredError),
        ("RateLimitError", 429, RateLimitedError),
        ("ContentPolicyViolationError", 400, ProviderRefusedError),
        ("ContextWindowExceededError", 400, ProviderRefusedError),
        ("BadRequestError", 400, ProviderRefusedError),
        ("ServiceUnavailableError", 503, ProviderUnavailableError),
        ("BadGatewayError", 502, ProviderUnavailableError),
        ("InternalServerError", 500, ProviderUnavailableError),
    ],
)
def test_litellms_classes(name: str, status: int, expected: type[LLMError]) -> None:
    trace = Trace(requests=1, status=status, headers={"retry-after": "2"} if status == 429 else {})
    error = from_litellm(provider_error(name, status), litellm().exceptions, trace)
    assert type(error) is expected
    assert error.http_status == status
    assert error.retry_after == (2.0 if status == 429 else None)
    assert "quoted" not in str(error)


def test_retry_after_is_found_in_the_exception_where_the_wire_saw_nothing() -> None:
    given = provider_error("RateLimitError", 429, {"Retry-After": "4"})
    error = from_litellm(given, litellm().exceptions, Trace())
    assert isinstance(error, RateLimitedError)
    assert (error.retry_after, error.http_status) == (4.0, 429)


def test_a_connection_that_failed_has_no_status_though_litellm_invents_one() -> None:
    error = from_litellm(provider_error("InternalServerError", 500), litellm().exceptions, Trace(requests=1))
    assert type(error) is ProviderUnavailableError
    assert error.http_status is None


def test_litellms_timeout() -> None:
    given = litellm().exceptions.Timeout(message="late", model="m", llm_provider="p")
    assert type(from_litellm(given, litellm().exceptions, Trace(requests=1))) is LLMTimeoutError


def test_a_bug_is_left_alone() -> None:
    assert from_litellm(TypeError("a bug"), litellm().exceptions, Trace()) is None


def test_what_the_wire_refused_comes_first() -> None:
    refused = ProviderUnavailableError("Too long.")
    trace = Trace(requests=1, status=200, refused=refused)
    assert from_litellm(provider_error("InternalServerError", 500), litellm().exceptions, trace) is refused
