"""The read API as its client sees it: a question, and an answer or a sentence about why there is none."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from domain.errors import FeedbackError, UserError
from runtime.settings import Settings

_SECONDS = 120.0
_PIECE = 64 * 1024
_START = "Set it, or start everything with `feedback up` and `set -a; source .feedback/env; set +a`."

Parameters = Sequence[tuple[str, str]]


class APIClient:
    """Asks one API with one key."""

    def __init__(self, settings: Settings) -> None:
        """Raises UserError where the address or the key is not set, or is none."""
        if not settings.feedback_api_url:
            raise UserError("FEEDBACK_API_URL is not set.", _START)
        if settings.feedback_api_key is None:
            raise UserError("FEEDBACK_API_KEY is not set.", _START)
        self._url = settings.feedback_api_url.rstrip("/")
        self._key = settings.feedback_api_key.get_secret_value()
        if not (self._key.isascii() and self._key.isprintable()):
            raise UserError("FEEDBACK_API_KEY is not an API key.", "Set it to one that `feedback keys create` made.")
        self._place = _place(self._url)

    async def json(self, path: str, parameters: Parameters) -> Any:
        """What the API answers, in JSON's types.

        Raises:
            UserError: it cannot be asked, or refuses; with its own sentence.
            FeedbackError: it cannot answer now.
        """
        async with self._asked(path, parameters) as answer:
            return self._read(await answer.read())

    async def pieces(self, path: str, parameters: Parameters) -> AsyncIterator[bytes]:
        """What the API answers, as it comes. Raises as `json`."""
        async with self._asked(path, parameters) as answer:
            async for piece in answer.content.iter_chunked(_PIECE):
                yield piece

    @asynccontextmanager
    async def _asked(self, path: str, parameters: Parameters) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Authorization": f"Bearer {self._key}"}
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                # A redirect would carry the key to wherever it points.
                session.get(self._url + path, params=parameters, headers=headers, allow_redirects=False) as answer,
            ):
                if answer.status != 200:
                    raise self._refusal(answer.status, await answer.read())
                yield answer
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UserError(
                f"The API at {self._place} does not answer ({type(error).__name__}).",
                "See that it runs (`feedback api`, `feedback up`), and that FEEDBACK_API_URL is its address.",
            ) from error

    def _read(self, text: bytes) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise self._no_api() from error

    def _refusal(self, status: int, text: bytes) -> FeedbackError:
        told = self._read(text) if status >= 400 else None
        message = told.get("error", {}).get("message") if isinstance(told, dict) else None
        if not isinstance(message, str) or status == 404:
            return self._no_api()
        if status >= 500:
            return FeedbackError(f"The API at {self._place} cannot answer now: {message}")
        return UserError(message, _REMEDIES.get(status, "See `feedback usage --help`."))

    def _no_api(self) -> UserError:
        return UserError(
            f"What answers at {self._place} is not the read API of this release.",
            "Set FEEDBACK_API_URL to the API's address, http://127.0.0.1:8080 say.",
        )


_REMEDIES = {
    401: "Set FEEDBACK_API_KEY to a key that `feedback keys create` made.",
    403: "Ask with the key of a superuser, or of your own tenant.",
    429: "Ask less often.",
}


def _place(url: str) -> str:
    """Scheme, host and port of an address, for messages.

    Raises:
        UserError: it is no address.
    """
    try:
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        parts, place = None, ""
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError("FEEDBACK_API_URL is not an address.", "Write it as http://127.0.0.1:8080.")
    return place
