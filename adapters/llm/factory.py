"""Opening the model that the settings name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from adapters.llm.fast_path import COVERED, FastPathModel, covers
from adapters.llm.litellm_model import LiteLLMModel
from adapters.llm.litellm_setup import closing_clients
from adapters.llm.litellm_setup import litellm as import_litellm
from adapters.llm.pricing import PriceBook
from adapters.llm.rehearsal import learn
from adapters.llm.settings import LLMSettings, SettingNames, Target
from adapters.llm.wire import open_session
from domain.errors import UserError
from domain.llm.calls import ChatModel
from domain.llm.tokens import DEFAULT_CONTEXT

OFFLINE_PROVIDER = "offline"
OFFLINE_MODEL = "offline/semantic"
_NAMES = "to offline/semantic, or to provider/model as LiteLLM names it, e.g. openai/gpt-4o-mini."
_BY_OPTION = " (or --model of `feedback run` and `feedback eval`)"


@asynccontextmanager
async def open_model(settings: LLMSettings, *, fast: bool = True) -> AsyncIterator[ChatModel]:
    """The model that the settings name, until the block ends: offline, by the fast path, or through LiteLLM.

    Opening a model of LiteLLM's imports it, which takes seconds. Nothing is sent: a wrong key or a model that the
    provider does not have show with the first call.

    Args:
        settings: the model, and how to reach it.
        fast: False: never by the fast path; for comparison.

    Raises:
        UserError: no such provider, or a key is missing.
    """
    if settings.provider == OFFLINE_PROVIDER:
        async with _offline_model(settings) as model:
            yield model
        return
    litellm = import_litellm()
    target = find_target(litellm, settings)
    ask_for_key(litellm, settings, target)
    prices = price_book(litellm, settings, target)
    ssl = _ssl_rules()
    async with (
        open_session(settings.max_connections, settings.max_body_bytes, ssl) as session,
        closing_clients(litellm, session),
    ):
        through_litellm = LiteLLMModel(litellm, settings, session, prices, target)
        if not fast or target.provider not in COVERED:
            yield through_litellm
            return
        template = await learn(through_litellm.answer)
        if template is None or not covers(target.provider, template):
            yield through_litellm
            return
        yield FastPathModel(target, template, session, prices, max_body_bytes=settings.max_body_bytes)


def check_model(settings: LLMSettings) -> None:
    """Find what would keep the model from being opened, for those who want to know before others open it.

    Of LiteLLM's models it imports LiteLLM, which takes seconds, so it is best called in a thread; of the offline one it
    looks at the name only.

    Raises:
        UserError: as `open_model`.
    """
    if settings.provider == OFFLINE_PROVIDER:
        _check_offline(settings)
        return
    litellm = import_litellm()
    ask_for_key(litellm, settings, find_target(litellm, settings))


def _check_offline(settings: LLMSettings) -> None:
    if settings.model != OFFLINE_MODEL:
        raise UserError(f"There is no model {settings.told}.", _how_to_name(settings))


def _how_to_name(settings: LLMSettings) -> str:
    option = _BY_OPTION if settings.names == SettingNames() else ""
    return f"Set {settings.names.model}{option} {_NAMES}"


@asynccontextmanager
async def _offline_model(settings: LLMSettings) -> AsyncIterator[ChatModel]:
    """The model that ships with the project.

    Raises:
        UserError: there is no offline model of that name.
    """
    _check_offline(settings)
    from adapters.offline.provider import OfflineModel

    model = OfflineModel()
    model.warm_up()
    try:
        yield model
    finally:
        await model.aclose()


def find_target(litellm: Any, settings: LLMSettings) -> Target:
    """The provider and the model that a name means to LiteLLM.

    Raises:
        UserError: LiteLLM knows no such provider.
    """
    try:
        model, provider, _, _ = litellm.get_llm_provider(settings.model, api_base=settings.api_base)
    except Exception:  # noqa: BLE001  # LiteLLM has no class of its own for this; the message quotes nothing of ours
        model, provider = "", ""
    if not model or not provider:
        raise UserError(f"No provider is known for the model {settings.told}.", _how_to_name(settings))
    return Target(provider, model)


def ask_for_key(litellm: Any, settings: LLMSettings, target: Target) -> None:
    """Make sure that there is a key where the provider needs one.

    LiteLLM also takes a key from the provider's own variable (OPENAI_API_KEY, ...), where the environment has it.

    Raises:
        UserError: there is none.
    """
    if settings.api_key is not None:
        return
    found = litellm.validate_environment(model=settings.model, api_base=settings.api_base)
    missing = [name for name in found["missing_keys"] if name.endswith(("_API_KEY", "_TOKEN"))]
    if missing and not found["keys_in_environment"]:
        raise UserError(
            f"The model {settings.told} needs a key of {target.provider}.",
            f"Set {settings.names.api_key} (any value will do for a server that asks for none).",
        )


def context_tokens(settings: LLMSettings) -> int | None:
    """What a model takes, prompt and answer together, as LiteLLM's map has it; None: whatever comes (offline).

    Raises:
        UserError: LiteLLM knows no such provider.
    """
    if settings.provider == OFFLINE_PROVIDER:
        return None
    litellm = import_litellm()
    target = find_target(litellm, settings)
    try:
        known = litellm.get_model_info(model=target.model, custom_llm_provider=target.provider)["max_input_tokens"]
    except Exception:  # noqa: BLE001  # LiteLLM has no class of its own for a model that it does not know
        known = None
    return known if isinstance(known, int) and known > 0 else DEFAULT_CONTEXT


def price_book(litellm: Any, settings: LLMSettings, target: Target) -> PriceBook:
    """The prices of the model: those of the file first, then those in the settings."""
    configured = None
    if settings.input_cost_per_token is not None and settings.output_cost_per_token is not None:
        configured = (settings.input_cost_per_token, settings.output_cost_per_token)
    return PriceBook(litellm, target.model, target.provider, configured, settings.prices)


def _ssl_rules() -> Any:
    """The certificates that LiteLLM would trust, so that both ways trust the same (SSL_CERT_FILE, SSL_VERIFY)."""
    from litellm.llms.custom_httpx.http_handler import get_ssl_configuration

    rules = get_ssl_configuration()
    return True if isinstance(rules, str) else rules
