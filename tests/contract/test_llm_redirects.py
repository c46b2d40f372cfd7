"""A provider that sends us elsewhere is not followed: prompts and keys go to the configured address only."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from adapters.llm.factory import open_model
from adapters.llm.fast_path import FastPathModel
from adapters.llm.litellm_model import LiteLLMModel
from adapters.llm.settings import LLMSettings
from domain.errors import LLMError
from tests.contract.llm_client_pair import attempt, prompt

KEY = "sk-travels-nowhere"


@dataclass
class Hosts:
    """Two servers: the first answers with a redirect to the second, by the status in its address."""

    first: str
    asked: list[str] = field(default_factory=list)
    strayed: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture(scope="module")
async def hosts() -> AsyncIterator[Hosts]:
    found = Hosts("")

    async def elsewhere(request: web.Request) -> web.Response:
        found.strayed.append((request.path, dict(request.headers)))
        return web.json_response({"choices": [{"message": {"content": "{}"}}]})

    async def redirect(request: web.Request) -> web.Response:
        found.asked.append(" ".join(f"{name}: {value}" for name, value in request.headers.items()))
        # `localhost` is another host than 127.0.0.1, as far as a client can tell.
        target = f"http://localhost:{ports[0]}{request.path}"
        return web.Response(status=int(request.match_info["status"]), headers={"Location": target})

    ports: list[int] = []
    runners = []
    for handler, path in ((elsewhere, "/{rest:.*}"), (redirect, "/{status:3..}/{rest:.*}")):
        app = web.Application()
        app.router.add_route("*", path, handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports.append(runner.addresses[0][1])
        runners.append(runner)
    found.first = f"http://127.0.0.1:{ports[1]}"
    yield found
    for runner in runners:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("name", "fast", "kind"),
    [
        ("openai/gpt-4o-mini", True, FastPathModel),
        ("openai/gpt-4o-mini", False, LiteLLMModel),
        ("deepinfra/some-model", False, LiteLLMModel),
        ("mistral/mistral-small-latest", False, LiteLLMModel),
        ("anthropic/claude-sonnet-4-5", False, LiteLLMModel),
        ("gemini/gemini-2.0-flash", False, LiteLLMModel),
        ("azure/gpt-4o", False, LiteLLMModel),
        ("huggingface/some/model", False, LiteLLMModel),
        ("databricks/some-model", False, LiteLLMModel),
    ],
)
async def test_no_second_request_is_made_and_no_key_arrives_elsewhere(hosts: Hosts, name, fast, kind):
    for status in (301, 303, 307):
        hosts.asked.clear()
        settings = LLMSettings(name, KEY, f"{hosts.first}/{status}/v1")
        async with open_model(settings, fast=fast) as model:
            assert isinstance(model, kind)
            with pytest.raises(LLMError, match="redirect") as caught:
                await model.complete(prompt(), attempt())
        assert caught.value.http_status == status
        assert KEY not in str(caught.value)
        assert len(hosts.asked) == 1  # and it is the configured address that has the key
        assert KEY in hosts.asked[0]
    assert hosts.strayed == []
