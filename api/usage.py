"""`/v1/usage`, and its lists: fixed questions about the usage. `domain.usage.report` says what the numbers mean."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.auth import Caller, caller, superuser
from api.errors import ErrorEnvelope
from api.query_strings import refuse_unknown
from api.responses import ERRORS, FRESHNESS, Responses, freshness_headers
from api.usage_query import answers
from api.windows import WINDOW, AskedWindow
from domain.keys import StoredKey
from domain.usage import presets
from domain.usage.answers import UsageAnswers
from domain.usage.report import OperationUsage, TenantUsage

_FRESH: Responses = {200: {"headers": FRESHNESS}}
_SUPERUSER_ERRORS: Responses = {403: {"model": ErrorEnvelope, "description": "`superuser_required`"}}


async def _nothing_else(request: Request) -> None:
    """See that only a window is asked for: a filter that these know nothing of must not be passed over in silence.

    Raises:
        APIError: 422 `unknown_parameter`, `repeated_parameter`.
    """
    refuse_unknown(request, WINDOW)


router = APIRouter(
    prefix="/v1/usage",
    tags=["usage"],
    responses={**ERRORS, **_FRESH},
    dependencies=[Depends(caller), Depends(_nothing_else)],
)

Answers = Annotated[UsageAnswers, Depends(answers)]
Superuser = Annotated[StoredKey, Depends(superuser)]


@router.get("", summary="What the caller's tenant used")
async def of_tenant(key: Caller, window: AskedWindow, usage: Answers, response: Response) -> TenantUsage:
    """LLM calls and invocations of the tenant that the API key belongs to, in the window [from, to)."""
    answer = await usage.answer(presets.of_tenant(key.tenant_id, window), key.asker)
    response.headers.update(freshness_headers(answer))
    return presets.usage_of_tenant(key.tenant_id, window, answer)


@router.get(
    "/all/by-tenant",
    summary="What each tenant used",
    responses=_SUPERUSER_ERRORS,
)
async def by_tenant(key: Superuser, window: AskedWindow, usage: Answers, response: Response) -> list[TenantUsage]:
    """One object per tenant, by name, and last the grand total, whose `tenant_id` is null. For superusers."""
    answer = await usage.answer(presets.by_tenant(window), key.asker)
    response.headers.update(freshness_headers(answer))
    return presets.usage_by_tenant(window, answer)


@router.get(
    "/all/by-operation",
    summary="What each operation used",
    responses=_SUPERUSER_ERRORS,
)
async def by_operation(key: Superuser, window: AskedWindow, usage: Answers, response: Response) -> list[OperationUsage]:
    """One object per operation, by name, and last the grand total, whose `operation` is null. For superusers."""
    answer = await usage.answer(presets.by_operation(window), key.asker)
    response.headers.update(freshness_headers(answer))
    return presets.usage_by_operation(window, answer)
