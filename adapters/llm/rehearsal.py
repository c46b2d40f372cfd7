"""Learning, when a model is opened, what request LiteLLM makes of a prompt, so that the fast path can make the same.

`acompletion` runs through a dress rehearsal on which the curtain never rises: a middleware takes the finished HTTP
request (address, headers, body) and sends nothing. A second rehearsal with another prompt shows whether a request is
no more than the first one with other messages in it. Where it is not (a provider with a format of its own, messages
that are rewritten), there is no fast path. Nothing is guessed from a provider's name here.
"""

import json
import logging
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import aiohttp

from domain.llm.calls import Prompt

logger = logging.getLogger(__name__)

_STAGE: ContextVar[list["Request"] | None] = ContextVar("llm_rehearsal_stage", default=None)
_TOKENS_KEYS = ("max_tokens", "max_completion_tokens")
_SDK_HEADERS = ("x-stainless-", "user-agent", "host", "content-length", "connection", "accept-encoding", "content-type")
_FIRST = Prompt("rehearsal", "v1", 'System "é" \n<&', 'User "ü" \n</>', 1234)
_SECOND = Prompt("rehearsal", "v1", "Another system", "Another user \u2028 \x00", 567, "A complaint about JSON")


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was about to be sent."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class Curtain(BaseException):
    """Ends a rehearsal. No Exception, so that nobody on the way takes it for a failure that is worth a second try."""


async def rehearse(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """The middleware: take the request down instead of sending it, where a rehearsal is on."""
    stage = _STAGE.get()
    if stage is None:
        return await handler(request)
    body = request.body
    raw = body if isinstance(body, bytes) else await body.as_bytes()
    stage.append(Request(request.method, str(request.url), dict(request.headers), raw))
    raise Curtain


class Template:
    """A provider's request, ready but for the prompt.

    Attributes:
        url, headers: the same for every call; the headers hold the key.
    """

    def __init__(self, request: Request) -> None:
        self.url = request.url
        kept = {k: v for k, v in request.headers.items() if not k.lower().startswith(_SDK_HEADERS)}
        self.headers = {**kept, "Content-Type": "application/json"}
        body: dict[str, Any] = json.loads(request.body)
        del body["messages"]
        self._tokens_key = next(key for key in _TOKENS_KEYS if key in body)
        del body[self._tokens_key]
        self._head = _dumps(body)[:-1] + (", " if body else "") + '"messages": ['
        self._system: Callable[[str], str] = lru_cache(maxsize=64)(_system_message)

    def body(self, prompt: Prompt) -> bytes:
        """The request's body for a prompt. The system message, long and much the same, is encoded once."""
        parts = [self._system(prompt.system)]
        parts += [_dumps(message) for message in prompt.messages()[1:]]
        return f'{self._head}{", ".join(parts)}], "{self._tokens_key}": {prompt.max_output_tokens}}}'.encode()


def _system_message(text: str) -> str:
    return _dumps({"role": "system", "content": text})


def _dumps(value: object) -> str:
    return json.dumps(value)


async def learn(complete: Callable[[Prompt], Any]) -> Template | None:
    """The template of a model's requests, or None where its requests are no template with messages in it.

    Args:
        complete: makes LiteLLM's call for a prompt; it is expected to fail.
    """
    first, second = await _perform(complete, _FIRST), await _perform(complete, _SECOND)
    if first is None or second is None:
        return None
    try:
        template = Template(first)
        same = json.loads(template.body(_SECOND)) == json.loads(second.body)
        messages: list[Any] = json.loads(second.body)["messages"]
    except (ValueError, KeyError, StopIteration, TypeError):
        return None
    alike = first.method == second.method == "POST" and first.url == second.url
    plain = messages == _SECOND.messages() and first.url.split("?")[0].endswith("/chat/completions")
    return template if same and alike and plain else None


async def _perform(complete: Callable[[Prompt], Any], prompt: Prompt) -> Request | None:
    """The last request that a call would have sent; None where it sent none our way (it may be broken, or cached)."""
    stage: list[Request] = []
    token = _STAGE.set(stage)
    try:
        await complete(prompt)
    except Curtain:
        pass
    except Exception as error:  # noqa: BLE001  # LiteLLM raised before it came to sending anything
        logger.debug("A rehearsal ended with %s", type(error).__name__)
    finally:
        _STAGE.reset(token)
    return stage[-1] if stage else None
