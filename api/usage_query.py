"""`/v1/usage/query`: any question about the usage. `domain.usage` says what the numbers mean."""

import asyncio
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response, StreamingResponse

from api.auth import Caller
from api.errors import ErrorEnvelope
from api.responses import ERRORS, FRESHNESS, Responses, freshness_headers
from api.usage_asked import Asked, asked
from api.usage_csv import as_csv
from api.usage_examples import EXAMPLE
from api.usage_page import UsagePage, page
from api.usage_parquet import as_parquet, in_pieces
from api.usage_table import columns, rows
from domain.errors import DroppedCallsError
from domain.usage.answers import UsageAnswer, UsageAnswers
from domain.usage.comparison import Compared, beside

PARQUET = "application/vnd.apache.parquet"
FEW_GROUPS = 50
"""Written at once; more in a thread, piece by piece, so that others are answered meanwhile."""

_FURTHER: Responses = {
    200: {
        "description": "All groups, or a page of them; as `format` asks.",
        "headers": FRESHNESS,
        "content": {
            "application/json": {"example": EXAMPLE},
            "text/csv": {"schema": {"type": "string"}},
            PARQUET: {"schema": {"type": "string", "format": "binary"}},
        },
    },
    403: {"model": ErrorEnvelope, "description": "`superuser_required`: another tenant than the key's, or by tenant"},
    422: ERRORS[422]
    | {
        "description": f"{ERRORS[422]['description']}, `unknown_dimension`, "
        "`repeated_dimension`, `several_units`, `unknown_zone`, `unknown_view`, `unknown_choice`, "
        "`invalid_percentiles`, `invalid_filter`, `invalid_limit`, `invalid_cursor`, `pages_are_json`, "
        "`window_too_long`, `window_out_of_range`, `too_many_groups`, `calls_dropped`; the message says what is allowed"
    },
}

router = APIRouter(prefix="/v1/usage", tags=["usage"], responses=ERRORS)


async def answers(request: Request) -> UsageAnswers:
    """What answers questions about the usage."""
    found: UsageAnswers = request.app.state.usage
    return found


@router.get("/query", summary="Any question about the usage", response_model=UsagePage, responses=_FURTHER)
async def query(
    key: Caller, question: Annotated[Asked, Depends(asked)], usage: Annotated[UsageAnswers, Depends(answers)]
) -> Response:
    """LLM calls and invocations of the window [from, to), grouped, filtered, beside the period before.

    A key that is bound to a tenant is told of that tenant. Every page has the total of all groups, and all pages are
    of the moment of the first one. Where the period before is of months whose single calls were dropped, the answer
    has no comparison, and says why.
    """
    try:
        of_now, *of_then = await usage.answers(question.questions, key.asker)
    except DroppedCallsError as error:
        if question.before is None:
            raise
        # Where it is not the period before that is cut, this is refused, too.
        of_now, of_then = await usage.answer(question.question, key.asker), []
        question = replace(question, not_compared=f"The period before cannot be told exactly. {error.message}")
    if question.cursor is not None:
        of_now = of_now.model_copy(update={"as_of": min(of_now.as_of, question.cursor.as_of)})
    earlier = next(iter(of_then), None)
    if question.format == "json" and len(of_now.groups) <= FEW_GROUPS:
        return _respond(question, of_now, earlier)
    return await asyncio.to_thread(_respond, question, of_now, earlier)


def _respond(question: Asked, answer: UsageAnswer, earlier: UsageAnswer | None) -> Response:
    """The answer in its format. All that may go wrong does so here, before the first byte is sent."""
    if question.before is not None and earlier is not None:
        groups = beside(question.question, answer, question.before, earlier)
    else:
        groups = [Compared(group, None) for group in answer.groups]
    headers = freshness_headers(answer)
    if question.format == "json":
        total = Compared(answer.total, earlier.total if earlier is not None else None)
        pieces = page(question, answer, groups, total)
        if len(groups) <= FEW_GROUPS:
            return Response("".join(pieces), headers=headers, media_type="application/json")
        return StreamingResponse(pieces, headers=headers, media_type="application/json")
    headers["Content-Disposition"] = f'attachment; filename="usage.{question.format}"'
    named, cells = columns(question), rows(question, groups, answer.as_of)
    if question.format == "csv":
        return StreamingResponse(as_csv(named, cells), headers=headers, media_type="text/csv")
    file = as_parquet(named, list(cells), _about(question, answer))
    return StreamingResponse(in_pieces(file), headers=headers, media_type=PARQUET)


def _about(question: Asked, answer: UsageAnswer) -> dict[str, Any]:
    window = question.question.window
    return {
        "from": window.start.isoformat(),
        "to": window.end.isoformat(),
        "zone": question.question.zone.key,
        "as_of": answer.as_of.isoformat(),
    }
