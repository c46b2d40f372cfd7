"""`offline/semantic` for any LiteLLM program: `register()`, then `litellm.acompletion(model="offline/semantic", ...)`.

A door for programs and notebooks of others who use LiteLLM, to try their prompts without a key. Our own workers do not
go through it: they take `provider.OfflineModel`, and need no LiteLLM for that.

Importing this module imports LiteLLM, which takes seconds: import it where it is needed.
"""

import asyncio
from typing import Any

import litellm
from litellm.llms.custom_llm import CustomLLM, CustomLLMError
from litellm.types.utils import Choices, Message, ModelResponse
from litellm.types.utils import Usage as LiteLLMUsage
from litellm.utils import custom_llm_setup

from adapters.offline.engine import Engine, shared_engine
from adapters.offline.prompt_reader import UnreadablePromptError
from adapters.offline.provider import MODEL_NAME, tokens

PROVIDER, _, MODEL = MODEL_NAME.partition("/")


class OfflineLLM(CustomLLM):
    """LiteLLM's view of the engine: the first system message and the first user message are the prompt."""

    def __init__(self, engine: Engine | None = None) -> None:
        super().__init__()
        self._engine = engine

    def completion(self, *_: Any, **given: Any) -> ModelResponse:
        """Answer at once. LiteLLM passes sixteen arguments, by name; `model`, `messages` and `model_response` matter.

        Raises:
            CustomLLMError: another model than `semantic` (404), or a prompt that is not the product's (400).
        """
        if given["model"] != MODEL:
            raise _refusal(404, f"The offline provider has one model: {MODEL_NAME}.")
        messages: list[dict[str, Any]] = given["messages"]
        system, user = (_first(messages, role) for role in ("system", "user"))
        try:
            text = (self._engine or shared_engine()).answer(system, user)
        except UnreadablePromptError as error:
            raise _refusal(400, error.message) from None
        prompt_tokens = tokens(*(str(message.get("content") or "") for message in messages))
        answer_tokens = tokens(text)
        usage = LiteLLMUsage(
            prompt_tokens=prompt_tokens, completion_tokens=answer_tokens, total_tokens=prompt_tokens + answer_tokens
        )
        answer = Choices(finish_reason="stop", index=0, message=Message(role="assistant", content=text))
        return ModelResponse(id=given["model_response"].id, model=MODEL_NAME, choices=[answer], usage=usage)

    async def acompletion(self, *_: Any, **given: Any) -> ModelResponse:
        """Answer in a thread. Raises as `completion` does."""
        return await asyncio.to_thread(self.completion, **given)


def register(engine: Engine | None = None) -> None:
    """Make `offline/semantic` known to LiteLLM in this process; a second call changes nothing."""
    if any(item["provider"] == PROVIDER for item in litellm.custom_provider_map):
        return
    litellm.custom_provider_map = [
        *litellm.custom_provider_map,
        {"provider": PROVIDER, "custom_handler": OfflineLLM(engine)},
    ]
    custom_llm_setup()  # type: ignore[no-untyped-call]  # LiteLLM declares no types for it


def _first(messages: list[dict[str, Any]], role: str) -> str:
    return next((str(message.get("content") or "") for message in messages if message.get("role") == role), "")


def _refusal(status: int, message: str) -> CustomLLMError:
    return CustomLLMError(status_code=status, message=message)  # type: ignore[no-untyped-call]  # as above
