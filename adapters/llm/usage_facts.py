"""What LiteLLM tells a callback of one attempt, read into plain values: names, ids, moments and figures, no text.

LiteLLM hands over the whole call, prompt and answer and keys among it. What is not named here is never looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.llm.answers import name_of
from adapters.llm.failures import Trace, from_litellm
from schemas.base import PLAUSIBLE_YEARS

KEYS = (
    "tenant_id",
    "operation",
    "invocation_id",
    "invocation_started_at",
    "attempt",
    "record_id",
    "request_id",
    "prompt_version",
    "trace_id",
)
"""What a program may say in LiteLLM's `metadata`."""

OWNERS = ("user_api_key_team_id", "user_api_key_org_id", "user_api_key_user_id")
"""Whose key a proxy was called with, in its own words, the largest circle that it names first."""

_NOBODY = "default_user_id"
"""The user of a proxy's master key: whoever runs the proxy, and no tenant."""

_PLACES = ("metadata", "litellm_metadata")
_PRICES = ("input_cost_per_token", "output_cost_per_token", "input_cost_per_second", "output_cost_per_second")


@dataclass(frozen=True, slots=True)
class Facts:
    """One attempt.

    Attributes:
        call: LiteLLM's id of the call; group: its id of what the call belongs to, with retries and fallbacks.
        started_at, ended_at: UTC.
        kind: what was called, e.g. completion or embedding.
        provider, request_model, model: who was asked, for which model, and which one answered.
        failed, error_class, http_status: how it ended.
        usage, tier: as LiteLLM puts what the provider said.
        whole_cost: LiteLLM's own figure; `own_price`: from a price that the program gave LiteLLM.
        said: what of KEYS the program said, as text, numbers or moments.
        owner: whose key a proxy was called with.
    """

    call: str
    group: str
    started_at: datetime
    ended_at: datetime
    kind: str
    provider: str
    request_model: str
    model: str | None
    failed: bool
    error_class: str | None = None
    http_status: int | None = None
    usage: Mapping[str, Any] | None = None
    tier: str | None = None
    whole_cost: float | None = None
    own_price: bool = False
    said: Mapping[str, Any] = field(default_factory=dict)
    owner: str | None = None


def read_facts(
    litellm: Any, told: Mapping[str, Any], response: Any, start: Any, end: Any, *, failed: bool
) -> Facts | None:
    """The facts of an attempt; None where none was made: an answer out of LiteLLM's own cache.

    Args:
        litellm: the module.
        told: the `kwargs` of the callback.
        response: its `response_obj`.
        start, end: its moments.
        failed: whether it is told of a failure.
    """
    summary = _mapping(told.get("standard_logging_object"))
    if told.get("cache_hit") is True or summary.get("cache_hit") is True:
        return None
    given = _mapping(told.get("litellm_params"))
    provider = _text(told.get("custom_llm_provider"), 100) or "unknown"
    asked = _text(told.get("model"), 255) or "unknown"
    call = _text(told.get("litellm_call_id"), 255) or _text(summary.get("id"), 255) or ""
    error_class, status = _failure(litellm, told.get("exception")) if failed else (None, None)
    places = [_mapping(source) for source in (*(given.get(place) for place in _PLACES), summary.get("metadata"))]
    return Facts(
        call=call,
        group=_text(told.get("litellm_trace_id"), 255) or call,
        started_at=_moment(start),
        ended_at=_moment(end),
        kind=(_text(told.get("call_type"), 100) or "completion").removeprefix("a"),
        provider=provider,
        request_model=asked if asked.startswith(f"{provider}/") else f"{provider}/{asked}",
        model=None if failed else _answered_by(response, provider),
        failed=failed,
        error_class=error_class,
        http_status=status,
        usage=None if failed else _usage(response),
        tier=_text(getattr(response, "service_tier", None), 100),
        whole_cost=None if failed else _cost(told.get("response_cost")),
        own_price=any(given.get(name) is not None for name in _PRICES),
        said=_said(places),
        owner=next((owner for name in OWNERS if (owner := _first(places, name)) not in (None, _NOBODY)), None),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object, most: int) -> str | None:
    """Text as it may be stored; None where there is none."""
    if not isinstance(value, str):
        return None
    return value.replace("\x00", "").strip()[:most] or None


def _first(places: list[Mapping[str, Any]], name: str) -> str | None:
    return next((found for place in places if (found := _text(place.get(name), 255)) is not None), None)


def _said(places: list[Mapping[str, Any]]) -> dict[str, Any]:
    """What the program said: what a proxy's client sent along stands in a place of its own, and counts last."""
    clients = [_mapping(place.get("requester_metadata")) for place in places]
    said: dict[str, Any] = {}
    for place in (*places, *clients):
        for name in KEYS:
            value = place.get(name)
            if isinstance(value, str | int | float | datetime) and not isinstance(value, bool):
                said.setdefault(name, value)
    return said


def _moment(value: object) -> datetime:
    """LiteLLM's moments are of the local clock, without an offset."""
    found = value if isinstance(value, datetime) else datetime.now(UTC)
    found = found.astimezone(UTC)
    return found if found.year in PLAUSIBLE_YEARS else datetime.now(UTC)


def _answered_by(response: Any, provider: str) -> str | None:
    hidden = _mapping(getattr(response, "_hidden_params", None))
    return name_of(hidden.get("provider_response_model") or getattr(response, "model", None), provider)


def _usage(response: Any) -> Mapping[str, Any] | None:
    usage = getattr(response, "usage", None)
    if usage is None and isinstance(response, Mapping):
        usage = response.get("usage")
    dump = getattr(usage, "model_dump", None)
    found = dump() if callable(dump) else usage
    if not isinstance(found, Mapping):
        return None
    if "prompt_tokens" in found or "input_tokens" not in found:
        return found
    # OpenAI's Responses API has other names for the same.
    return {
        "prompt_tokens": found.get("input_tokens"),
        "completion_tokens": found.get("output_tokens"),
        "prompt_tokens_details": found.get("input_tokens_details"),
        "completion_tokens_details": found.get("output_tokens_details"),
    }


def _cost(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _failure(litellm: Any, error: object) -> tuple[str, int | None]:
    """The class of a failure, in our own words where we have one, and the status that LiteLLM gives it."""
    if not isinstance(error, Exception):
        return (type(error).__name__ if isinstance(error, BaseException) else "UnknownError"), None
    meant = from_litellm(error, litellm.exceptions, Trace())
    if meant is None:
        return type(error).__name__[:255], None
    return type(meant).__name__, getattr(meant, "http_status", None)
