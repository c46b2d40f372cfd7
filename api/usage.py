"""`/v1/usage`: what was used. `domain.usage.report` says what the numbers mean."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.auth import Caller, superuser
from api.errors import ErrorEnvelope
from api.responses import ERRORS, Responses
from api.windows import AskedWindow
from domain.usage.report import OperationUsage, TenantUsage, UsageReader

_SUPERUSER_ERRORS: Responses = {403: {"model": ErrorEnvelope, "description": "`superuser_required`"}}

router = APIRouter(prefix="/v1/usage", tags=["usage"], responses=ERRORS)


def _reader(request: Request) -> UsageReader:
    reader: UsageReader = request.app.state.usage
    return reader


Reader = Annotated[UsageReader, Depends(_reader)]


@router.get("", summary="What the caller's tenant used")
async def of_tenant(key: Caller, window: AskedWindow, usage: Reader) -> TenantUsage:
    """LLM calls and invocations of the tenant that the API key belongs to, in the window [from, to)."""
    return await usage.of_tenant(key.tenant_id, window)


@router.get(
    "/all/by-tenant",
    summary="What each tenant used",
    dependencies=[Depends(superuser)],
    responses=_SUPERUSER_ERRORS,
)
async def by_tenant(window: AskedWindow, usage: Reader) -> list[TenantUsage]:
    """One object per tenant, by name, and last the grand total, whose `tenant_id` is null. For superusers."""
    return await usage.by_tenant(window)


@router.get(
    "/all/by-operation",
    summary="What each operation used",
    dependencies=[Depends(superuser)],
    responses=_SUPERUSER_ERRORS,
)
async def by_operation(window: AskedWindow, usage: Reader) -> list[OperationUsage]:
    """One object per operation, by name, and last the grand total, whose `operation` is null. For superusers."""
    return await usage.by_operation(window)
