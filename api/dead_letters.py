"""`/v1/dead-letters`: what could not be answered, and why. `domain.dead_letters.counts` says what is counted."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from api.auth import Caller
from api.errors import ErrorEnvelope
from api.responses import ERRORS, Responses
from api.tenants_windows import AskedTenantsWindow
from domain.dead_letters.counts import DeadLetterCounts, DeadLetterQuestion, DeadLetterReader

_EXAMPLE: dict[str, Any] = {
    "from": "2026-11-01T00:00:00Z",
    "to": "2026-12-01T00:00:00Z",
    "tenants": ["red-cross"],
    "total": 14,
    "set_aside_for_budget": 9,
    "groups": [
        {
            "operation": "summarize",
            "reason": "budget_exhausted",
            "dead_letters": 9,
            "last_failed_at": "2026-11-28T17:40:12.551204Z",
        },
        {
            "operation": None,
            "reason": "wrong_schema",
            "dead_letters": 5,
            "last_failed_at": "2026-11-21T09:02:44.730518Z",
        },
    ],
    "as_of": "2026-12-01T08:12:44.102934Z",
    "window_is_default": False,
}

_FURTHER: Responses = {
    200: {"content": {"application/json": {"example": _EXAMPLE}}},
    403: {"model": ErrorEnvelope, "description": "`superuser_required`: another tenant than the key's"},
    422: {
        "model": ErrorEnvelope,
        "description": "`missing_parameter`, `unknown_parameter`, `repeated_parameter`, `invalid_timestamp`, "
        "`naive_timestamp`, `reversed_window`, `invalid_filter`, `window_too_long`, `window_out_of_range`, "
        "`too_many_groups`; the message says what is allowed",
    },
}

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"], responses=ERRORS | _FURTHER)


class DeadLettersOfWindow(DeadLetterCounts):
    """The answer, and whether the window is the caller's."""

    window_is_default: bool = Field(description="No window was named: it is the last 30 days.")


def _reader(request: Request) -> DeadLetterReader:
    found: DeadLetterReader = request.app.state.dead_letters
    return found


@router.get("", summary="How many inputs could not be answered, and why")
async def dead_letters(
    key: Caller,
    asked: AskedTenantsWindow,
    reader: Annotated[DeadLetterReader, Depends(_reader)],
) -> DeadLettersOfWindow:
    """Dead letters by operation and reason, of those that were given up in the window [from, to).

    An input has one for each operation without a result, or one in all; delivered again, it is the same one. **A dead
    letter stays counted, with its first reason and moment, when it is replayed and answered later**: results count
    over dead letters, and this says what failed, not what is still open (`feedback dead-letters list --open` does).
    """
    answer = await reader.counts(DeadLetterQuestion(asked.window, asked.tenants), key.asker)
    found: dict[str, Any] = {name: getattr(answer, name) for name in DeadLetterCounts.model_fields}
    return DeadLettersOfWindow(**found, window_is_default=asked.window_is_default)
