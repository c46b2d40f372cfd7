"""The one HTTP session that a model's calls go through, LiteLLM's included, so that our rules hold for all of them.

A middleware of aiohttp sees each request of LiteLLM's. It notes the real status of the answer (LiteLLM invents some),
refuses redirects (prompts go to the configured address only) and bodies without end, and sees to it that an attempt is
one request: LiteLLM's HTTP client repeats a failed connection, and for a dozen providers (deepinfra, nvidia_nim, ...)
it drops `max_retries=0` on its way to OpenAI's library, which then tries three times. An answer is therefore marked
as not to be retried, in the way that this library heeds, and a second request to the same address is not sent.
"""

import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

from adapters.llm.failures import Trace, from_status, too_long
from adapters.llm.rehearsal import rehearse

_TRACE: ContextVar[Trace | None] = ContextVar("llm_wire_trace", default=None)
_NO_RETRY = ("x-should-retry", "false")
_KEPT_HEADERS = ("retry-after", "retry-after-ms")


class WireError(aiohttp.ClientError):
    """A request that came to nothing, in a form that LiteLLM passes on without trying again."""


@asynccontextmanager
async def open_session(max_connections: int, max_body_bytes: int, ssl: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """A session without cookies and without timeouts of its own (attempts are bounded by their recorder).

    Args:
        max_connections: to all hosts together; all of them may be to one host.
        max_body_bytes: the most that LiteLLM may read of one answer.
        ssl: an SSLContext, or True for the default one.
    """
    connector = aiohttp.TCPConnector(
        limit=max_connections, limit_per_host=max_connections, ssl=ssl, keepalive_timeout=60, ttl_dns_cache=300
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=30),
        response_class=_FinalResponse,
        middlewares=(_Watch(max_body_bytes), rehearse),
    ) as session:
        yield session


@asynccontextmanager
async def traced() -> AsyncIterator[Trace]:
    """Note what goes over the wire inside the block, in this task and those that it starts."""
    trace = Trace()
    token = _TRACE.set(trace)
    try:
        yield trace
    finally:
        _TRACE.reset(token)


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for a URL, by the rules of Python's urllib (`https_proxy`, `no_proxy`...).

    LiteLLM's own client follows the same variables; asked once, for it is slow.
    """
    parts = urlsplit(url)
    if not parts.hostname or urllib.request.proxy_bypass(parts.hostname):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


class _FinalResponse(aiohttp.ClientResponse):
    """An answer that tells OpenAI's library, in the header that it heeds, not to try again by itself."""

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        return CIMultiDictProxy(CIMultiDict([*super().headers.items(), _NO_RETRY]))


class _Watch:
    """The middleware."""

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        trace = _TRACE.get() or Trace()
        # Some providers are asked again and again for what they have by now: GETs, which cost nothing.
        if request.method != "GET" and str(request.url) in trace.sent:
            raise WireError("an attempt is one request")
        trace.requests += 1
        trace.sent.add(str(request.url))
        try:
            response = await handler(request)
        except aiohttp.ClientError as error:
            raise WireError(type(error).__name__) from error
        trace.status = response.status
        trace.headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        if 300 <= response.status < 400:
            trace.refused = from_status(response.status)
        elif (response.content_length or 0) > self._max_body_bytes:
            trace.refused = too_long(self._max_body_bytes, response.status, trace.headers)
        if trace.refused is not None:
            response.close()
            raise WireError("refused")
        response.content = _Bounded(response.content, self._max_body_bytes, trace)  # type: ignore[assignment]
        return response


class _Bounded:
    """A body that is read up to a limit: what LiteLLM's transport reads of aiohttp's stream, and the rest unchanged."""

    def __init__(self, stream: aiohttp.StreamReader, max_bytes: int, trace: Trace) -> None:
        self._stream, self._max_bytes, self._trace = stream, max_bytes, trace

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        left = self._max_bytes
        async for chunk in self._stream.iter_chunked(size):
            left -= len(chunk)
            if left < 0:
                self._trace.refused = too_long(self._max_bytes, self._trace.status or 200, self._trace.headers)
                raise WireError("refused")
            yield chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
