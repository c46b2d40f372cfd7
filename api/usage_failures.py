"""`/v1/usage/failures`: what failed, was tried again and was done again. `domain.usage.failures` says what counts."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from api.auth import Caller
from api.errors import ErrorEnvelope
from api.responses import ERRORS, FRESHNESS, Responses, freshness_headers
from api.tenants_windows import AskedTenantsWindow
from api.usage_examples import FAILURES
from domain.usage.failures import FailureAnswers, FailureQuestion, Failures

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


def _answers(request: Request) -> FailureAnswers:
    found: FailureAnswers = request.app.state.failures
    return found


@router.get("/failures", summary="What failures, retries and repeats cost")
async def failures(
    key: Caller,
    asked: AskedTenantsWindow,
    answers: Annotated[FailureAnswers, Depends(_answers)],
    response: Response,
) -> FailuresOfWindow:
    """Failed LLM calls and invocations, retries, and invocations on the same input again, in the window [from, to).

    All counts and sums are exact, and read from single LLM calls: the longer the window, the longer it takes.
    """
    answer = await answers.failures(FailureQuestion(asked.window, asked.tenants), key.asker)
    response.headers.update(freshness_headers(answer))
    found: dict[str, Any] = {name: getattr(answer, name) for name in Failures.model_fields}
    return FailuresOfWindow(**found, window_is_default=asked.window_is_default)
