"""The fast path held to `litellm.acompletion`: same request, answer, tokens, cost and errors, from one local server."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from adapters.llm.factory import open_model
from adapters.llm.failures import AnswerTooLongError
from adapters.llm.fast_path import COVERED, FastPathModel
from adapters.llm.litellm_model import LiteLLMModel
from adapters.llm.recording import RecordingModel
from adapters.llm.settings import LLMSettings
from domain.errors import (
    FeedbackError,
    LLMError,
    LLMTimeoutError,
    ProviderMisconfiguredError,
    ProviderRefusedError,
    ProviderUnavailableError,
    RateLimitedError,
)
from domain.llm.calls import Completion, Cost, Usage
from domain.ports import OutboundMessage
from tests.contract.llm_client_pair import Pair, attempt, end, prompt
from tests.llm_server import LLMServer, running_llm_server

UNAVAILABLE, REFUSED, MISCONFIGURED = ProviderUnavailableError, ProviderRefusedError, ProviderMisconfiguredError


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[LLMServer]:
    async with running_llm_server() as running:
        yield running


class Nowhere:
    """A publisher that forgets."""

    async def publish(self, message: OutboundMessage) -> None:
        assert b"L'eau" not in (message.value or b"")


@pytest.fixture(scope="module")
async def pair(server) -> AsyncIterator[Pair]:
    settings = LLMSettings("openai/gpt-4o-mini", "sk-local", server.base_url, max_body_bytes=2**20)
    async with open_model(settings) as fast, open_model(settings, fast=False) as slow:
        assert isinstance(fast, FastPathModel)
        assert isinstance(slow, LiteLLMModel)
        yield Pair(fast, slow, server)


@pytest.mark.parametrize(
    "marker",
    [
        "",
        "[[cached:20]]",
        "[[reasoning:9]]",
        "[[input:150000]][[cached:149000]][[output:9000]][[reasoning:8000]]",
        "[[no-usage]]",
        "[[absurd-usage:negative]]",
        "[[absurd-usage:cached]]",
        "[[empty-choices]]",
        "[[null-content]]",
        "[[content-filter]]",
        "[[length]]",
        "[[fenced]]",
        "[[thinking]]",
        "[[gzip]]",
        "[[model:gpt-4o-2024-08-06]]",
        "[[model:a-strange-model]]",
        "[[tier:priority]]",
        "[[tier:flex]]",
    ],
)
async def test_the_same_answer(pair: Pair, marker: str) -> None:
    fast, slow = await pair.both(prompt(marker))
    assert isinstance(fast, Completion)
    assert fast == slow
    assert fast.http_status == 200


@pytest.mark.parametrize(
    ("marker", "expected", "status"),
    [
        ("[[fail:400]]", REFUSED, 400),
        ("[[fail:401]]", MISCONFIGURED, 401),
        ("[[fail:402]]", MISCONFIGURED, 402),
        ("[[fail:403]]", MISCONFIGURED, 403),
        ("[[fail:404]]", MISCONFIGURED, 404),
        ("[[fail:408]]", LLMTimeoutError, 408),
        ("[[fail:409]]", UNAVAILABLE, 409),
        ("[[fail:413]]", REFUSED, 413),
        ("[[fail:422]]", REFUSED, 422),
        ("[[fail:429]]", RateLimitedError, 429),
        ("[[fail:500]]", UNAVAILABLE, 500),
        ("[[fail:503]]", UNAVAILABLE, 503),
        ("[[fail:504]]", LLMTimeoutError, 504),
        ("[[fail:529]]", UNAVAILABLE, 529),
        ("[[html:502]]", UNAVAILABLE, 502),
        ("[[html:200]]", UNAVAILABLE, 200),
        ("[[truncated]]", UNAVAILABLE, 200),
        ("[[reset]]", UNAVAILABLE, None),
        ("[[redirect]]", MISCONFIGURED, 307),
        ("[[huge:3]]", AnswerTooLongError, 200),
        ("[[endless]]", AnswerTooLongError, 200),
    ],
)
async def test_the_same_error(pair: Pair, marker: str, expected: type[FeedbackError], status: int | None) -> None:
    fast, slow = await pair.both(prompt(marker))
    assert known(fast) == known(slow) == (expected, status, None)
    for text in (str(fast), str(slow)):
        assert "local provider" not in text
        assert "L'eau" not in text
        assert "sk-local" not in text


async def test_the_same_wait_in_seconds_and_as_a_date(pair: Pair) -> None:
    for error in await pair.both(prompt("[[ratelimit:7]]")):
        assert isinstance(error, RateLimitedError)
        assert error.retry_after == 7.0
    for error in await pair.both(prompt("[[ratelimit-date:60]]")):
        assert isinstance(error, RateLimitedError)
        assert error.retry_after == pytest.approx(59, abs=3)


async def test_the_same_request_with_a_complaint(pair: Pair) -> None:
    await pair.both(prompt(complaint='The id "9.9" does not exist.'))
    body = pair.server.requests[-1].body
    assert [message["role"] for message in body["messages"]] == ["system", "user", "user"]
    assert body["response_format"] == {"type": "json_object"}


async def test_the_cost_is_litellms_own(pair: Pair) -> None:
    for marker in ("", "[[cached:20]]", "[[tier:priority]]", "[[model:gpt-4o]]"):
        fast, _ = await pair.both(prompt(marker))
        answer = await pair.slow.answer(prompt(marker))
        assert isinstance(fast, Completion)
        assert fast.cost.usd is not None
        assert abs(fast.cost.usd - Decimal(str(answer._hidden_params["response_cost"]))) <= Decimal("1e-12")


async def test_a_refused_connection(server: LLMServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = LLMSettings("openai/gpt-4o-mini", "k", f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        async with open_model(settings) as fast, open_model(settings, fast=False) as slow:
            for model in (fast, slow):
                with pytest.raises(ProviderUnavailableError) as caught:
                    await model.complete(prompt(), attempt())
                assert caught.value.http_status is None


@pytest.mark.parametrize("marker", ["[[drip]]", "[[hang]]"])
async def test_an_answer_without_end_is_bounded_by_the_recorder(pair: Pair, marker: str) -> None:
    for model in (pair.fast, pair.slow):
        recorder = RecordingModel(model, Nowhere(), 0.4)
        with pytest.raises(LLMTimeoutError):
            await recorder.ask(prompt(marker), attempt(), str)
        await recorder.aclose()


async def test_one_attempt_is_one_request_and_the_servers_counts_are_ours(pair: Pair) -> None:
    pair.server.reset()
    completions = []
    for model in (pair.fast, pair.slow):
        for marker in ("", "[[cached:8]]", "[[fail:500]]", "[[reset]]", "[[reasoning:4]]"):
            result = await end(model, prompt(f"{model.name}{marker}"))
            if isinstance(result, Completion):
                completions.append(result)
    stats = pair.server.stats()
    assert stats["attempts"] == 10
    assert stats["input_tokens"] == sum(c.usage.input_tokens or 0 for c in completions)
    assert stats["output_tokens"] == sum(c.usage.output_tokens or 0 for c in completions)
    assert Decimal(stats["cost_usd"]) == sum(c.cost.usd or 0 for c in completions)


MODELS = {
    "groq": "llama-3.1-8b-instant",
    "deepseek": "deepseek-chat",
    "together_ai": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "cerebras": "llama3.1-8b",
    "moonshot": "kimi-latest",
}


def known(error: Completion | FeedbackError) -> tuple[type, int | None, float | None]:
    assert isinstance(error, LLMError | AnswerTooLongError)
    return type(error), error.http_status, getattr(error, "retry_after", None)


@pytest.mark.parametrize("provider", sorted(COVERED))
async def test_every_covered_provider(server: LLMServer, provider: str) -> None:
    name = f"{provider}/{MODELS.get(provider, 'some-model')}"
    settings = LLMSettings(name, "sk-local", server.base_url)
    tier = "[[tier:on_demand]]"  # what groq always says; the others do not mind
    async with open_model(settings) as fast, open_model(settings, fast=False) as slow:
        assert isinstance(fast, FastPathModel)
        assert isinstance(slow, LiteLLMModel)
        pair = Pair(fast, slow, server)
        for marker in ("", "[[cached:20]][[reasoning:9]]", "[[no-usage]]", "[[null-content]]", "[[model:other]]"):
            ours, theirs = await pair.both(prompt(marker + tier))
            assert isinstance(ours, Completion)
            assert ours == theirs, marker
        for marker in ("[[fail:401]]", "[[fail:422]]", "[[ratelimit:30]]", "[[fail:500]]", "[[fail:504]]"):
            ours, theirs = await pair.both(prompt(marker))
            assert known(ours) == known(theirs), marker


async def test_prices_of_the_settings(server: LLMServer) -> None:
    settings = LLMSettings("openai/local-test", "k", server.base_url)
    async with open_model(settings) as model:
        unknown = await model.complete(prompt("[[input:100]][[output:10]]"), attempt())
    priced = replace(settings, input_cost_per_token=Decimal("0.001"), output_cost_per_token=Decimal("0.002"))
    async with open_model(priced) as model:
        known = await model.complete(prompt("[[input:100]][[output:10]]"), attempt())
    assert unknown.usage == known.usage == Usage(100, 10, 0, 0)
    assert unknown.cost == Cost(None, "unknown_model")
    assert known.cost == Cost(Decimal("0.12"), "configured")


async def test_more_attempts_than_connections_wait_their_turn(server: LLMServer) -> None:
    server.reset()
    settings = LLMSettings("openai/gpt-4o-mini", "k", server.base_url, max_connections=3)
    async with open_model(settings) as model:
        await asyncio.gather(*(model.complete(prompt("[[slow:0.02]]"), attempt()) for _ in range(12)))
    assert server.stats()["most_in_flight"] == 3


async def test_neither_way_logs_or_prints_anything_of_a_call(pair: Pair, caplog, capfd) -> None:
    caplog.set_level(logging.DEBUG)
    for marker in ("", "[[fail:500]]", "[[fail:401]]", "[[truncated]]", "[[reset]]"):
        await pair.both(prompt(marker))
    captured = capfd.readouterr()
    said = caplog.text + captured.out + captured.err
    for secret in ("L'eau", "sk-local", "Health: clinics", "codes"):
        assert secret not in said


async def test_opening_a_model_sends_nothing(server: LLMServer) -> None:
    server.reset()
    for name in ("openai/gpt-4o-mini", "openai/o3-mini", "openai/gpt-5-pro", "azure/x", "anthropic/claude-sonnet-4-5"):
        async with open_model(LLMSettings(name, "k", server.base_url)):
            pass
    assert server.stats()["attempts"] == 0
