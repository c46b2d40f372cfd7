"""Serves the page and its parts as they are in the package: there is no build, and nothing comes from elsewhere."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from api.errors import APIError

router = APIRouter(include_in_schema=False)

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_HEADERS = {
    # The page holds a key: no script but its own may run, nobody may frame it, and it can talk to this API only.
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'; require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Kept, but asked about each time: after an upgrade no old script meets a new page.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    etag: str
    media_type: str


@router.get("/")
async def page(request: Request) -> Response:
    """The page itself. It shows nothing without a key, which a person gives it and it sends to this API."""
    return _answer(request, "index.html")


@router.get("/page/{name}")
async def part(request: Request, name: str) -> Response:
    """A style, a script or a picture of the page.

    Raises:
        APIError: 404 `not_found`.
    """
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    found = _files().get(name)
    if found is None:
        raise APIError(404, "not_found", "There is nothing at this address.")
    headers = _HEADERS | {"ETag": found.etag}
    known = {given.strip().removeprefix("W/") for given in request.headers.get("If-None-Match", "").split(",")}
    if known & {found.etag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(found.body, media_type=found.media_type, headers=headers)


@cache
def _files() -> dict[str, _File]:
    """All that is served, by name: a name that is not among them is no path that could lead elsewhere."""
    found = {}
    for file in (files("api.page") / "static").iterdir():
        media_type = _TYPES.get(file.name[file.name.rfind(".") :])
        if media_type is not None:
            body = file.read_bytes()
            found[file.name] = _File(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', media_type)
    return found
