"""`/v1/usage`, and its lists: fixed questions about the usage. `domain.usage.report` says what the numbers mean."""

from typing import Annotated

from fastapi import APIRouter, Depends

from api.auth import Caller, superuser
from api.errors import ErrorEnvelope
from api.responses import ERRORS, Responses
from api.usage_query import answers
from api.windows import AskedWindow
from domain.usage import presets
from domain.usage.answers import UsageAnswers
from domain.usage.report import OperationUsage, TenantUsage

_SUPERUSER_ERRORS: Responses = {403: {"model": ErrorEnvelope, "description": "`superuser_required`"}}

router = APIRouter(prefix="/v1/usage", tags=["usage"], responses=ERRORS)

Answers = Annotated[UsageAnswers, Depends(answers)]


@router.get("", summary="What the caller's tenant used")
async def of_tenant(key: Caller, window: AskedWindow, usage: Answers) -> TenantUsage:
    """LLM calls and invocations of the tenant that the API key belongs to, in the window [from, to)."""
    answer = await usage.answer(presets.of_tenant(key.tenant_id, window))
    return presets.usage_of_tenant(key.tenant_id, window, answer)


@router.get(
    "/all/by-tenant",
    summary="What each tenant used",
    dependencies=[Depends(superuser)],
    responses=_SUPERUSER_ERRORS,
)
async def by_tenant(window: AskedWindow, usage: Answers) -> list[TenantUsage]:
    """One object per tenant, by name, and last the grand total, whose `tenant_id` is null. For superusers."""
    return presets.usage_by_tenant(window, await usage.answer(presets.by_tenant(window)))


@router.get(
    "/all/by-operation",
    summary="What each operation used",
    dependencies=[Depends(superuser)],
    responses=_SUPERUSER_ERRORS,
)
async def by_operation(window: AskedWindow, usage: Answers) -> list[OperationUsage]:
    """One object per operation, by name, and last the grand total, whose `operation` is null. For superusers."""
    return presets.usage_by_operation(window, await usage.answer(presets.by_operation(window)))
