"""What is more than we take on: too many requests at once, or one whose head is too large."""

from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import envelope
from api.request_ids import request_id_of

MAX_REQUESTS = 500
"""Under way at a time; one more is answered 503 at once. The connections to the database are far fewer."""

MAX_HEAD_BYTES = 16 * 1024
"""For the request line and all headers together."""


class Limits:
    """ASGI middleware, within the one that gives requests their ids.

    `/healthz` is always answered: a process that has much to do is no process to restart.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or say why not."""
        if scope["type"] != "http" or scope["path"] == "/healthz":
            await self._app(scope, receive, send)
            return
        if _head_bytes(scope) > MAX_HEAD_BYTES:
            message = f"The address and the headers of a request may have {MAX_HEAD_BYTES // 1024} KiB together."
            refusal = envelope(request_id_of(scope), 431, "head_too_large", message, {"Connection": "close"})
            await refusal(scope, receive, send)
            return
        if self._under_way >= MAX_REQUESTS:
            message = "Too many requests are under way. Try again in a moment."
            refusal = envelope(request_id_of(scope), 503, "overloaded", message, {"Retry-After": "1"})
            await refusal(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1


def _head_bytes(scope: Scope) -> int:
    """About what came over the wire, without the few bytes between the parts."""
    address = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    return address + sum(len(name) + len(value) for name, value in scope["headers"])
