"""The errors that every route with figures may answer, as the description of the API has them."""

from typing import Any

from api.errors import ErrorEnvelope

Responses = dict[int | str, dict[str, Any]]

ERRORS: Responses = {
    401: {"model": ErrorEnvelope, "description": "`missing_key`, `invalid_key`, `revoked_key`"},
    408: {"model": ErrorEnvelope, "description": "`request_timeout`: the request did not arrive in time"},
    422: {
        "model": ErrorEnvelope,
        "description": "`missing_parameter`, `repeated_parameter`, `invalid_timestamp`, `naive_timestamp`, "
        "`reversed_window`",
    },
    429: {
        "model": ErrorEnvelope,
        "description": "`rate_limited`: by this key, or from this address with wrong keys; `Retry-After` says when to "
        "ask again",
    },
    431: {"model": ErrorEnvelope, "description": "`head_too_large`: the address and the headers together"},
    503: {
        "model": ErrorEnvelope,
        "description": "`usage_backend_unavailable`, `overloaded`; `Retry-After` says when to ask again",
    },
}
