"""Whether the process lives, and whether it can answer."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from pydantic import BaseModel

from api.errors import APIError, ErrorEnvelope

Ready = Callable[[], Awaitable[bool]]
"""Whether questions can be answered now; it may raise UsageUnavailableError instead of answering no."""

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """A sign of life."""

    status: str


@router.get("/healthz", summary="The process lives")
async def healthz() -> Health:
    """Looks at nothing else: a database outage is no reason to restart the process."""
    return Health(status="ok")


@router.get("/readyz", summary="Questions can be answered", responses={503: {"model": ErrorEnvelope}})
async def readyz(request: Request) -> Health:
    """The database answers and has the schema of this release."""
    ready: Ready = request.app.state.ready
    if not await ready():
        raise APIError(503, "not_ready", "The database has another schema than this release; run `feedback migrate`.")
    return Health(status="ready")
