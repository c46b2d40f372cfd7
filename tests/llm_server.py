"""A local provider that speaks OpenAI's chat completions, counts what it served, and misbehaves when told to.

In a test: `async with running_llm_server() as server: ... server.base_url ... server.stats()`.
For a bench: `python -m tests.llm_server --port 9000 --latency 0.2`, then GET `/stats`; POST `/reset` starts anew.

A marker in the record's text steers what its requests get: `[[name]]`, `[[name:argument]]`, with `xN` at its end for
the first N requests of one task with this text only. Several follow each other. The behaviours and their arguments:

    fail:STATUS            an error as OpenAI says it               html:STATUS      an HTML page, 502 by default
    ratelimit:SECONDS      429, Retry-After in seconds, if given    ratelimit-date:SECONDS  429, as an HTTP date
    hang                   never answers                            drip             a space every tenth of a second
    reset                  cuts the connection                      redirect         307 to another path
    huge:MEGABYTES         a body of that size                      truncated        half of the JSON body
    slow:SECONDS           answers late                             gzip             a compressed answer
    no-usage, absurd-usage:negative|text|huge|cached|bool|list      usage missing, or not to be believed
    empty-choices, null-content, content-filter, length, fenced, thinking, invalid-json, unknown-id
                           odd answers, all of them billed          endless          a body that does not stop
    swap-numbers           in a batch of codings: the records so marked get each other's numbers
    unknown-number         in a batch of codings: the record gets a number that none has
    model:NAME, tier:NAME  says that another model, or another service tier, answered (~ in a model's name is a hyphen)
    input:N, output:N, cached:N, reasoning:N     the tokens that it says it took

A marker is part of a record: long numbers in it pass for telephone numbers, and are hidden before it gets here.
"""

import argparse
import asyncio
import contextlib
import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import web

from tests.llm_answers import Question, answer, read_system, tokens, unknown_id_answer
from tests.llm_behaviours import ABSURD_USAGE, Behaviour, Script, Shares, failure


@dataclass(frozen=True)
class Prices:
    """US dollars a token; by default what OpenAI's price list says of gpt-4o-mini."""

    input: Decimal = Decimal("0.00000015")
    cached: Decimal = Decimal("0.000000075")
    output: Decimal = Decimal("0.0000006")


@dataclass
class Tally:
    """What was served. Tokens and cost are those of complete 200 answers whose usage was told and can be believed."""

    attempts: int = 0
    abandoned: int = 0
    unpriced: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    by_status: Counter[int] = field(default_factory=Counter)
    by_model: Counter[str] = field(default_factory=Counter)
    by_task: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """The tally as `/stats` shows it; money as a decimal string."""
        counters = {name: {str(k): n for k, n in getattr(self, name).items()} for name in _COUNTERS}
        return {**vars(self), **counters, "cost_usd": format(self.cost_usd, "f")}


_COUNTERS = ("by_status", "by_model", "by_task")


@dataclass(frozen=True)
class Seen:
    """A request as it came: path with query, headers, decoded body."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class LLMServer:
    """The provider. `base_url` ends in /v1; `requests` are the latest ones."""

    def __init__(self, shares: Shares | None = None, prices: Prices | None = None, latency: float = 0.0) -> None:
        self.prices = prices or Prices()
        self.tally = Tally()
        self.requests: deque[Seen] = deque(maxlen=200)
        self.base_url = ""
        self._latency = latency
        self._shares = shares or Shares()
        self._script = Script(self._shares)

    def stats(self) -> dict[str, Any]:
        """What was served so far, as `/stats` gives it."""
        return self.tally.as_json()

    def reset(self) -> None:
        """Count from nothing, forget which texts came before."""
        self.tally, self._script = Tally(), Script(self._shares)
        self.requests.clear()

    def app(self) -> web.Application:
        """The HTTP application."""
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/stats", self._stats)
        app.router.add_post("/reset", self._reset)
        app.router.add_post("/{prefix:.*}chat/completions", self._complete)
        return app

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response(self.stats())

    async def _reset(self, _: web.Request) -> web.Response:
        self.reset()
        return web.json_response({})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        tally = self.tally
        tally.attempts += 1
        tally.in_flight += 1
        tally.most_in_flight = max(tally.most_in_flight, tally.in_flight)
        try:
            body = json.loads(await request.read())
            self.requests.append(Seen(request.path_qs, dict(request.headers), body))
            response = await self._respond(request, body)
        except (asyncio.CancelledError, ConnectionError):
            tally.abandoned += 1
            raise
        finally:
            tally.in_flight -= 1
        tally.by_status[response.status] += 1
        return response

    async def _respond(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        messages = body["messages"]
        question = read_system(messages[0]["content"])
        user = next(m["content"] for m in messages if m["role"] == "user")
        self.tally.by_task[question.task] += 1
        self.tally.by_model[body["model"]] += 1
        behaviours = self._script.behaviours(question.task, user)
        late = next((float(b.argument) for b in behaviours if b.name == "slow"), self._latency)
        if late:
            await asyncio.sleep(late)
        for behaviour in behaviours:
            failed = await failure(behaviour, request)
            if failed is not None:
                return failed
        return self._answer(body, question, user, {b.name: b for b in behaviours})

    def _answer(
        self, body: dict[str, Any], question: Question, user: str, odd: dict[str, Behaviour]
    ) -> web.StreamResponse:
        text, finish = _text(question, user, odd)
        spent = sum(tokens(message["content"]) for message in body["messages"])
        usage = _usage(spent, tokens(text or ""), odd)
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        answered: dict[str, Any] = {
            "id": "chatcmpl-local",
            "object": "chat.completion",
            "created": 1_750_000_000,
            "model": odd["model"].argument.replace("~", "-") if "model" in odd else body["model"],
            "choices": [] if "empty-choices" in odd else [choice],
            "usage": usage,
        }
        if "tier" in odd:
            answered["service_tier"] = odd["tier"].argument
        if usage is None:
            del answered["usage"]
        raw = json.dumps(answered).encode()
        if "truncated" in odd:
            self.tally.unpriced += 1
            return web.Response(body=raw[: len(raw) // 2], content_type="application/json")
        self._bill(usage, odd)
        response = web.Response(body=raw, content_type="application/json")
        if "gzip" in odd:
            response.enable_compression(web.ContentCoding.gzip)
        return response

    def _bill(self, usage: dict[str, Any] | None, odd: dict[str, Behaviour]) -> None:
        if usage is None or "absurd-usage" in odd:
            self.tally.unpriced += 1
            return
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        self.tally.input_tokens += usage["prompt_tokens"]
        self.tally.output_tokens += usage["completion_tokens"]
        self.tally.cached_tokens += cached
        self.tally.reasoning_tokens += usage["completion_tokens_details"]["reasoning_tokens"]
        self.tally.cost_usd += (
            (usage["prompt_tokens"] - cached) * self.prices.input
            + cached * self.prices.cached
            + usage["completion_tokens"] * self.prices.output
        )


_NO_TEXT = {"null-content": "stop", "content-filter": "content_filter"}
_DRESSES: dict[str, Callable[[str], str]] = {
    "invalid-json": lambda _: "I would rather not answer in JSON.",
    "fenced": lambda text: f"```json\n{text}\n```",
    "thinking": lambda text: f"<think>Let me see.</think>{text}",
}


def _text(question: Question, user: str, odd: dict[str, Behaviour]) -> tuple[str | None, str]:
    """The answer and why it ended there."""
    for name in odd.keys() & _NO_TEXT.keys():
        return None, _NO_TEXT[name]
    wrong = unknown_id_answer(question.task) if "unknown-id" in odd else None
    text = wrong or answer(question, user)
    for name in odd.keys() & _DRESSES.keys():
        text = _DRESSES[name](text)
    return (text[: len(text) // 2], "length") if "length" in odd else (text, "stop")


def _usage(spent: int, written: int, odd: dict[str, Behaviour]) -> Any:
    if "no-usage" in odd:
        return None
    if "absurd-usage" in odd:
        return ABSURD_USAGE[odd["absurd-usage"].argument or "negative"](spent)

    def told(name: str, otherwise: int) -> int:
        return int(odd[name].argument) if name in odd else otherwise

    spent, written = told("input", spent), told("output", written)
    return {
        "prompt_tokens": spent,
        "completion_tokens": written,
        "total_tokens": spent + written,
        "prompt_tokens_details": {"cached_tokens": told("cached", 0), "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": told("reasoning", 0), "audio_tokens": 0},
    }


@asynccontextmanager
async def running_llm_server(
    server: LLMServer | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[LLMServer]:
    """Serve on a free port (or on `port`) until the block ends; what still hangs is cut off."""
    server = server or LLMServer()
    runner = web.AppRunner(server.app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=2048)
        await site.start()
        bound = runner.addresses[0][1]
        server.base_url = f"http://{host}:{bound}/v1"
        yield server
    finally:
        await runner.cleanup()


async def _serve(arguments: argparse.Namespace) -> None:
    shares = Shares(arguments.fail_share, arguments.rate_limit_share, arguments.retry_after, arguments.seed)
    server = LLMServer(shares, latency=arguments.latency)
    server.requests = deque(maxlen=0)
    async with running_llm_server(server, port=arguments.port):
        print(server.base_url, flush=True)  # noqa: T201  # for the process that started this one
        await asyncio.Event().wait()


def main() -> None:
    """Serve until killed; the first line printed is the base URL."""
    parser = argparse.ArgumentParser(description="A local OpenAI-compatible provider that counts.")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--fail-share", type=float, default=0.0, help="share of requests answered with 500")
    parser.add_argument("--rate-limit-share", type=float, default=0.0, help="share of requests answered with 429")
    parser.add_argument("--retry-after", type=float, default=None, help="seconds in those 429s' Retry-After")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with contextlib.suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(arguments))


if __name__ == "__main__":
    main()
