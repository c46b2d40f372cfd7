"""`/v1/usage/failures`: what failed, was tried again and was done again. `domain.usage.failures` says what counts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from api import usage_parameters as parameters
from api.auth import Caller
from api.errors import ErrorEnvelope
from api.query_strings import refuse_unknown
from api.responses import ERRORS, FRESHNESS, Responses, freshness_headers
from api.usage_asked import within_rights
from api.usage_examples import FAILURES
from domain.usage.failures import FailureAnswers, FailureQuestion, Failures
from domain.usage.periods import up_to
from domain.usage.questions import Filters

_ONCE = ("from", "to")
_ALLOWED = (*_ONCE, "tenant")
_TIME = "RFC 3339 with an offset: `2026-11-01T00:00:00Z`."

_FURTHER: Responses = {
    200: {"headers": FRESHNESS, "content": {"application/json": {"example": FAILURES}}},
    403: {"model": ErrorEnvelope, "description": "`superuser_required`: another tenant than the key's"},
    422: ERRORS[422]
    | {
        "description": f"{ERRORS[422]['description']}, `invalid_filter`, `window_too_long`, "
        "`window_out_of_range`, `too_many_groups`; the message says what is allowed"
    },
}

router = APIRouter(prefix="/v1/usage", tags=["usage"], responses=ERRORS | _FURTHER)


class FailuresOfWindow(Failures):
    """The answer, and whether the window is the caller's."""

    window_is_default: bool = Field(description="No window was named: it is the last 30 days.")


@dataclass(frozen=True, slots=True)
class _Asked:
    question: FailureQuestion
    window_is_default: bool


def _asked(
    request: Request,
    key: Caller,
    start: Annotated[
        str | None,
        Query(
            alias="from",
            description=f"The first moment that counts. {_TIME} Without `from` and `to`: the last 30 days. A window is "
            f"{parameters.MAX_YEARS} years at most.",
            examples=["2026-11-01T00:00:00Z"],
        ),
    ] = None,
    end: Annotated[
        str | None,
        Query(
            alias="to",
            description=f"The first moment that no longer counts. {_TIME}",
            examples=["2026-12-01T00:00:00Z"],
        ),
    ] = None,
    tenant: Annotated[
        list[str] | None,
        Query(
            description="Only this tenant; may be given several times. Another one than the key's is for superusers, "
            "who are told of all tenants together where they name none."
        ),
    ] = None,
) -> _Asked:
    """The question of a caller.

    Raises:
        APIError: 403 `superuser_required`; 422 as `api.usage_parameters` and `api.query_strings` say.
    """
    refuse_unknown(request, _ALLOWED, _ONCE)
    filters: Filters = {"tenant": parameters.filter_values("tenant", tenant)} if tenant is not None else {}
    tenants = within_rights(key, filters).get("tenant")
    named = tuple(name for name in tenants if name) if tenants is not None else None
    window = parameters.given_window(start, end)
    return _Asked(FailureQuestion(window or up_to(datetime.now(UTC)), named), window is None)


def _answers(request: Request) -> FailureAnswers:
    found: FailureAnswers = request.app.state.failures
    return found


@router.get("/failures", summary="What failures, retries and repeats cost")
async def failures(
    key: Caller,
    asked: Annotated[_Asked, Depends(_asked)],
    answers: Annotated[FailureAnswers, Depends(_answers)],
    response: Response,
) -> FailuresOfWindow:
    """Failed LLM calls and invocations, retries, and invocations on the same input again, in the window [from, to).

    All counts and sums are exact, and read from single LLM calls: the longer the window, the longer it takes.
    """
    answer = await answers.failures(asked.question, key.asker)
    response.headers.update(freshness_headers(answer))
    found: dict[str, Any] = {name: getattr(answer, name) for name in Failures.model_fields}
    return FailuresOfWindow(**found, window_is_default=asked.window_is_default)
