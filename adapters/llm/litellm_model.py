"""Any model that LiteLLM knows, through `litellm.acompletion`: one HTTP request for each attempt, none hidden."""

from typing import Any

import aiohttp

from adapters.llm.answers import first_choice, name_of, text_of
from adapters.llm.failures import from_litellm
from adapters.llm.pricing import PriceBook, read_usage
from adapters.llm.settings import LLMSettings, Target
from adapters.llm.wire import traced
from domain.llm.calls import Attempt, Completion, Prompt

_SPARE_SECONDS = 5.0


class LiteLLMModel:
    """A ChatModel over `acompletion`.

    Args:
        litellm: the module.
        settings: what to call, and how.
        session: the HTTP session that every call goes through.
        prices: the model's prices.
        target: the model's name, taken apart.
    """

    def __init__(
        self,
        litellm: Any,
        settings: LLMSettings,
        session: aiohttp.ClientSession,
        prices: PriceBook,
        target: Target,
    ) -> None:
        self._litellm, self._prices, self._target = litellm, prices, target
        # One constant timeout, for each distinct value makes LiteLLM keep another client; longer than the attempt's
        # own, which is what ends an attempt: LiteLLM's never fires on a body that drips.
        self._arguments: dict[str, Any] = {
            "model": settings.model,
            "api_key": settings.api_key,
            "api_base": settings.api_base,
            "timeout": settings.attempt_timeout_seconds + _SPARE_SECONDS,
            "max_retries": 0,
            "num_retries": 0,
            "drop_params": True,
            "shared_session": session,
            "no-log": True,
            **wishes(litellm, settings, target),
        }

    @property
    def name(self) -> str:
        """The requested model's full name."""
        return self._target.name

    async def complete(self, prompt: Prompt, attempt: Attempt) -> Completion:  # noqa: ARG002  # the port's signature
        """Ask once; see the port."""
        async with traced() as trace:
            try:
                response = await self.answer(prompt)
            except Exception as error:
                failure = from_litellm(error, self._litellm.exceptions, trace)
                if failure is None:
                    raise
                raise failure from None
            return self._completion(response, trace.status)

    async def answer(self, prompt: Prompt) -> Any:
        """LiteLLM's answer to a prompt, as it is.

        Raises:
            Exception: whatever LiteLLM raises.
        """
        return await self._litellm.acompletion(
            messages=prompt.messages(), max_tokens=prompt.max_output_tokens, **self._arguments
        )

    def _completion(self, response: Any, status: int | None) -> Completion:
        told = response.model_dump()
        reading = read_usage(told.get("usage"), told.get("service_tier"))
        model = name_of(told.get("model"), self._target.provider)
        choice = first_choice(told.get("choices"))
        return Completion(
            text=text_of((choice.get("message") or {}).get("content")),
            model=model,
            usage=reading.usage,
            cost=self._prices.cost(reading, model, lambda: _their_cost(response)),
            http_status=status,
            finish_reason=choice.get("finish_reason"),
        )


def wishes(litellm: Any, settings: LLMSettings, target: Target) -> dict[str, Any]:
    """The optional parameters of every call: a JSON object where the provider can be asked for it."""
    arguments: dict[str, Any] = {}
    if settings.temperature is not None:
        arguments["temperature"] = settings.temperature
    supported = litellm.get_supported_openai_params(model=target.model, custom_llm_provider=target.provider) or []
    if settings.json_mode and "response_format" in supported:
        arguments["response_format"] = {"type": "json_object"}
    return arguments


def _their_cost(response: Any) -> float | None:
    hidden = getattr(response, "_hidden_params", None) or {}
    cost: float | None = hidden.get("response_cost")
    return cost
