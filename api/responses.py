"""The errors that every route with figures may answer, as the description of the API has them."""

from typing import Any

from api.errors import ErrorEnvelope
from domain.usage.answers import UsageAnswer
from domain.usage.failures import Failures

AS_OF, LAG = "Feedback-As-Of", "Feedback-Lag"

Responses = dict[int | str, dict[str, Any]]

ERRORS: Responses = {
    401: {"model": ErrorEnvelope, "description": "`missing_key`, `invalid_key`, `revoked_key`"},
    408: {"model": ErrorEnvelope, "description": "`request_timeout`: the request did not arrive in time"},
    422: {
        "model": ErrorEnvelope,
        "description": "`missing_parameter`, `unknown_parameter`, `repeated_parameter`, `invalid_timestamp`, "
        "`naive_timestamp`, `reversed_window`, `calls_dropped`: of that time only whole days of UTC are kept",
    },
    429: {
        "model": ErrorEnvelope,
        "description": "`rate_limited`: by this key, or from this address with wrong keys; `too_many_questions`: by "
        "this tenant at one time; `Retry-After` says when to ask again",
    },
    431: {"model": ErrorEnvelope, "description": "`head_too_large`: the address and the headers together"},
    503: {
        "model": ErrorEnvelope,
        "description": "`usage_backend_unavailable`, `overloaded`; `Retry-After` says when to ask again",
    },
}


FRESHNESS: dict[str, Any] = {
    AS_OF: {"schema": {"type": "string", "format": "date-time"}, "description": "The moment that the answer is of."},
    LAG: {
        "schema": {"type": "integer"},
        "description": "Messages of LLM calls that were not stored yet; left out where it is not known.",
    },
}


def freshness_headers(answer: UsageAnswer | Failures) -> dict[str, str]:
    """How fresh an answer is, in the words of `FRESHNESS`."""
    lag = answer.freshness.lag
    return {AS_OF: answer.as_of.isoformat(), **({LAG: str(lag)} if lag is not None else {})}
