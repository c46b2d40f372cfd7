"""`/v1/agreement`: how far codings and analysts agree. `domain.agreement` says what the numbers mean."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.auth import Caller
from api.errors import APIError, ErrorEnvelope
from api.query_strings import refuse_unknown
from api.responses import ERRORS, Responses
from api.windows import WINDOW, AskedWindow
from domain.agreement import Agreement, AgreementQuestion, AgreementReader, agreement
from schemas.base import Identifier

_FURTHER: Responses = {
    403: {"model": ErrorEnvelope, "description": "`superuser_required`: another tenant than the key's"},
    422: ERRORS[422] | {"description": f"{ERRORS[422]['description']}, `invalid_request`"},
}

router = APIRouter(prefix="/v1/agreement", tags=["agreement"], responses=ERRORS | _FURTHER)

TenantId = Annotated[
    Identifier | None, Query(description="The tenant; the key's own by default, another one for superusers only.")
]
FrameworkId = Annotated[Identifier, Query(description="The coding framework.")]
Version = Annotated[
    Identifier | None, Query(description="Only records that were coded with this version of the framework.")
]


_ALLOWED = (*WINDOW, "tenant_id", "framework_id", "framework_version")


def _reader(request: Request) -> AgreementReader:
    reader: AgreementReader = request.app.state.agreement
    return reader


def _tenant(key: Caller, tenant_id: TenantId = None) -> str:
    """Whose figures are asked for.

    Raises:
        APIError: 403 `superuser_required`, or as `api.auth.caller`.
    """
    if tenant_id is None or tenant_id == key.tenant_id:
        return key.tenant_id
    if not key.superuser:
        raise APIError(403, "superuser_required", "Only the key of a superuser reads the figures of another tenant.")
    return tenant_id


def _question(
    request: Request,
    tenant_id: Annotated[str, Depends(_tenant)],
    framework_id: FrameworkId,
    window: AskedWindow,
    framework_version: Version = None,
) -> AgreementQuestion:
    """What is asked.

    Raises:
        APIError: as `api.query_strings.refuse_unknown`.
    """
    refuse_unknown(request, _ALLOWED)
    return AgreementQuestion(tenant_id, framework_id, window, framework_version)


@router.get("", summary="How far codings and corrections agree")
async def of_framework(
    key: Caller,
    question: Annotated[AgreementQuestion, Depends(_question)],
    reader: Annotated[AgreementReader, Depends(_reader)],
) -> Agreement:
    """Precision, recall and Cohen's kappa per code and overall, over the records corrected in the window [from, to).

    Of several corrections of a record the latest in the window counts. It is held against the coding that it names by
    `result_id`, else against the latest coding before it; a record without one is not judged.
    """
    return agreement(question, await reader.of(question, key.asker))
