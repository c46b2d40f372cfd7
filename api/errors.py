"""One envelope for every error: `{"error": {"code", "message", "request_id"}}`."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.request_ids import request_id_of
from domain.errors import DroppedCallsError, TooManyGroupsError, TooManyQuestionsError, UsageUnavailableError

logger = logging.getLogger(__name__)

_CODES = {404: "not_found", 405: "method_not_allowed"}
_MESSAGES = {404: "There is nothing at this address.", 405: "This address takes no such method."}


class ErrorBody(BaseModel):
    """What went wrong."""

    code: str = Field(description="A stable code for programs.")
    message: str = Field(description="A sentence for a person.")
    request_id: str = Field(description="Names the request in our logs; also in the header X-Request-ID.")


class ErrorEnvelope(BaseModel):
    """The body of every answer that is an error."""

    error: ErrorBody


class APIError(Exception):
    """An error that the caller is told: HTTP status, code, message, further headers."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


def envelope(
    request_id: str, status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """An error as it is answered."""
    body = ErrorEnvelope(error=ErrorBody(code=code, message=message, request_id=request_id))
    return JSONResponse(body.model_dump(), status, headers)


def install(app: FastAPI) -> None:
    """Give every error that a handler can see its envelope; `api.request_ids` does the unforeseen ones."""
    app.exception_handler(APIError)(_told)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(UsageUnavailableError)(_unavailable)
    app.exception_handler(TooManyGroupsError)(_unanswerable)
    app.exception_handler(DroppedCallsError)(_unanswerable)
    app.exception_handler(TooManyQuestionsError)(_too_many_questions)


async def _told(request: Request, error: APIError) -> JSONResponse:
    return envelope(request_id_of(request.scope), error.status, error.code, error.message, error.headers)


async def _http(request: Request, error: HTTPException) -> JSONResponse:
    code = _CODES.get(error.status_code, "bad_request" if error.status_code < 500 else "internal_error")
    message = _MESSAGES.get(error.status_code, "The request cannot be answered.")
    headers = dict(error.headers) if error.headers else None
    return envelope(request_id_of(request.scope), error.status_code, code, message, headers)


async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    problems = error.errors()
    names = ", ".join(sorted({f"`{problem['loc'][-1]}`" for problem in problems}))
    if all(problem["type"] == "missing" for problem in problems):
        code, message = "missing_parameter", f"These parameters are missing: {names}."
    else:
        code, message = "invalid_request", f"These parameters cannot be understood: {names}."
    return envelope(request_id_of(request.scope), 422, code, message)


async def _unanswerable(request: Request, error: TooManyGroupsError | DroppedCallsError) -> JSONResponse:
    return envelope(request_id_of(request.scope), 422, error.reason, error.message)


async def _too_many_questions(request: Request, error: TooManyQuestionsError) -> JSONResponse:
    return envelope(request_id_of(request.scope), 429, error.reason, error.message, {"Retry-After": "5"})


async def _unavailable(request: Request, error: UsageUnavailableError) -> JSONResponse:
    request_id = request_id_of(request.scope)
    logger.warning("request %s: %s", request_id, error.message)
    message = "The usage database does not answer. Try again in a moment."
    return envelope(request_id, 503, error.reason, message, {"Retry-After": "5"})
