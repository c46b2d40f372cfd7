"""How the local provider misbehaves: markers in the record's text, or a share of all requests, the same every run."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import blake2b

from aiohttp import web

_MARKER = re.compile(r"\[\[([a-z-]+)(?::([A-Za-z0-9._~/-]+?))?(?:x(\d+))?\]\]")
DRIP_SECONDS = 0.1

ABSURD_USAGE: dict[str, Callable[[int], object]] = {
    "negative": lambda n: {"prompt_tokens": -n, "completion_tokens": 5, "total_tokens": 5 - n},
    "text": lambda _: {"prompt_tokens": "many", "completion_tokens": 5, "total_tokens": 5},
    "huge": lambda _: {"prompt_tokens": 10**15, "completion_tokens": 5, "total_tokens": 10**15 + 5},
    "bool": lambda _: {"prompt_tokens": True, "completion_tokens": False, "total_tokens": True},
    "list": lambda _: [1, 2, 3],
    "cached": lambda n: {
        "prompt_tokens": n,
        "completion_tokens": 5,
        "total_tokens": n + 5,
        "prompt_tokens_details": {"cached_tokens": n * 10},
    },
}


@dataclass(frozen=True)
class Behaviour:
    """One way to answer: its name and its argument ("" = none). `ok` answers well."""

    name: str = "ok"
    argument: str = ""


@dataclass(frozen=True)
class Shares:
    """What part of all requests fails without a marker: 500 and 429 (with `retry_after` seconds, None = unsaid)."""

    fail: float = 0.0
    rate_limit: float = 0.0
    retry_after: float | None = 0.05
    seed: int = 1


class Script:
    """Decides what each request gets, from its own text and how often that text came before."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._seen: Counter[bytes] = Counter()

    def behaviours(self, task: str, user: str) -> list[Behaviour]:
        """What this request gets: at most one failure, and any number of ways to colour a good answer."""
        markers = _MARKER.findall(user)
        if not markers and not (self._shares.fail or self._shares.rate_limit):
            return []
        key = blake2b(f"{task}\n{user}".encode(), digest_size=12).digest()
        self._seen[key] += 1
        return self._marked(markers, self._seen[key]) or self._drawn(key, self._seen[key])

    def _marked(self, markers: list[tuple[str, str, str]], turn: int) -> list[Behaviour]:
        always = [Behaviour(name, argument) for name, argument, times in markers if not times]
        for name, argument, times in markers:
            if times and turn <= int(times):
                return [Behaviour(name, argument), *always]
            turn -= int(times or 0)
        return always

    def _drawn(self, key: bytes, turn: int) -> list[Behaviour]:
        draw = random.Random(f"{self._shares.seed}:{key.hex()}:{turn}").random()
        if draw < self._shares.fail:
            return [Behaviour("fail", "500")]
        if draw < self._shares.fail + self._shares.rate_limit:
            seconds = self._shares.retry_after
            return [Behaviour("ratelimit", "" if seconds is None else str(seconds))]
        return []


def error_body(status: int) -> dict[str, object]:
    """An error as OpenAI says it."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": f"The local provider answers {status}.", "type": kind, "param": None, "code": None}}


async def failure(behaviour: Behaviour, request: web.Request) -> web.StreamResponse | None:
    """The failing answer that a behaviour means, or None where it means no failure."""
    name, argument = behaviour.name, behaviour.argument
    if name in ("hang", "drip", "endless"):
        return await _never_ends(request, name)
    if name == "reset":
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
    make = _FAILURES.get(name)
    return make(argument) if make is not None else None


def _rate_limited(retry_after: str) -> web.Response:
    headers = {"Retry-After": retry_after} if retry_after else {}
    return web.json_response(error_body(429), status=429, headers=headers)


def _page(status: str) -> web.Response:
    page = "<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"
    return web.Response(text=page, status=int(status or 502), content_type="text/html")


def _date_in(seconds: str) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=float(seconds)), usegmt=True)


_FAILURES: dict[str, Callable[[str], web.Response]] = {
    "fail": lambda status: web.json_response(error_body(int(status)), status=int(status)),
    "ratelimit": _rate_limited,
    "ratelimit-date": lambda seconds: _rate_limited(_date_in(seconds)),
    "html": _page,
    "redirect": lambda _: web.Response(status=307, headers={"Location": "/elsewhere/v1/chat/completions"}),
    "huge": lambda size: web.Response(body=b" " * (int(size) * 2**20), content_type="application/json"),
}


async def _never_ends(request: web.Request, name: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    if name != "hang":
        await response.prepare(request)
    while True:
        if name != "hang":
            await response.write(b" " if name == "drip" else b" " * 65_536)
        await asyncio.sleep(0 if name == "endless" else DRIP_SECONDS)
