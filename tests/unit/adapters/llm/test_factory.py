"""Opening models: the right way for each, and one sentence with a remedy for what is wrong."""

import gc
import subprocess
import sys
import warnings
from decimal import Decimal

import pytest

from adapters.llm.factory import open_model
from adapters.llm.fast_path import FastPathModel
from adapters.llm.litellm_model import LiteLLMModel
from adapters.llm.settings import LLMSettings
from domain.errors import UserError

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


async def refusal(**settings: object) -> UserError:
    with pytest.raises(UserError) as caught:
        async with open_model(LLMSettings(**settings)):
            pass
    return caught.value


@pytest.mark.parametrize("model", ["no-such-provider/model", "whatever", "openai/", "/x", "offline/other", ""])
async def test_an_unknown_provider_or_model_is_the_users_to_mend(model: str) -> None:
    error = await refusal(model=model, api_key="k")
    assert "LLM_MODEL" in error.remedy


@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.0-flash"])
async def test_a_missing_key_is_named(model: str) -> None:
    error = await refusal(model=model)
    assert "LLM_API_KEY" in error.remedy


async def test_half_of_the_prices_is_refused() -> None:
    error = await refusal(model="openai/x", api_key="k", input_cost_per_token=Decimal("0.1"))
    assert "LLM_OUTPUT_COST_PER_TOKEN" in error.remedy


async def test_an_address_that_is_none_is_refused() -> None:
    error = await refusal(model="openai/x", api_key="k", api_base="localhost:8000/v1")
    assert "LLM_API_BASE" in error.message


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("openai/gpt-4o-mini", FastPathModel),
        ("gpt-4o-mini", FastPathModel),
        ("hosted_vllm/my-own", FastPathModel),
        ("groq/llama-3.1-8b-instant", FastPathModel),
        ("openai/o3-mini", LiteLLMModel),
        ("openai/gpt-5-pro", LiteLLMModel),
        ("anthropic/claude-sonnet-4-5", LiteLLMModel),
        ("gemini/gemini-2.0-flash", LiteLLMModel),
        ("azure/my-deployment", LiteLLMModel),
    ],
)
async def test_the_fast_path_takes_what_it_covers(model: str, kind: type) -> None:
    async with open_model(LLMSettings(model, "k", "http://127.0.0.1:9/v1")) as opened:
        assert type(opened) is kind
        assert opened.name.endswith(model)
        assert "/" in opened.name


async def test_a_regional_address_with_its_own_prices_is_left_to_litellm() -> None:
    async with open_model(LLMSettings("openai/gpt-4o-mini", "k", "https://eu.api.openai.com/v1")) as opened:
        assert type(opened) is LiteLLMModel


async def test_nothing_is_left_open() -> None:
    gc.collect()  # what earlier tests left is theirs
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        for fast in (True, False):
            async with open_model(LLMSettings("openai/gpt-4o-mini", "k", "http://127.0.0.1:9/v1"), fast=fast):
                pass
        gc.collect()
    assert [str(w.message) for w in caught if issubclass(w.category, ResourceWarning)] == []


def test_the_key_is_in_no_representation() -> None:
    assert "sk-secret" not in repr(LLMSettings("openai/x", "sk-secret"))


def test_importing_the_package_imports_no_litellm() -> None:
    code = "import sys, adapters.llm.factory, adapters.llm.recording; sys.exit('litellm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
