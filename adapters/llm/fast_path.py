"""The fast path for providers that speak OpenAI's chat completions: one POST, and no more work than it takes.

`acompletion` spends some milliseconds of CPU on each call. This model sends the request that LiteLLM would have sent
(learned by a rehearsal when it was opened) through aiohttp, and reads the answer as LiteLLM reads it. A contract test
holds the two to each other: same body, text, tokens, cost and errors.
"""

import json

import aiohttp

from adapters.llm.answers import first_choice, name_of, text_of
from adapters.llm.failures import AnswerTooLongError, from_status, too_long
from adapters.llm.pricing import PriceBook, read_usage
from adapters.llm.rehearsal import Template
from adapters.llm.settings import Target
from adapters.llm.wire import proxy_for
from domain.errors import LLMError, LLMTimeoutError, ProviderUnavailableError
from domain.llm.calls import Attempt, Completion, Prompt

COVERED = frozenset(
    {
        "openai",
        "custom_openai",
        "hosted_vllm",
        "lm_studio",
        "llamafile",
        "groq",
        "together_ai",
        "deepinfra",
        "fireworks_ai",
        "nebius",
        "novita",
        "cerebras",
        "sambanova",
        "nvidia_nim",
        "hyperbolic",
        "nscale",
        "featherless_ai",
        "baseten",
        "deepseek",
        "moonshot",
        "scaleway",
    }
)
"""The providers whose answers LiteLLM reads as plain chat completions; each is in the contract test.

Left out are those that speak otherwise (gemini, vertex, azure, anthropic, ...), and those that speak nearly so but
whose answers LiteLLM reads in a way of its own (mistral, xai, openrouter, perplexity, litellm_proxy).
"""

_REGIONAL_HOSTS = ("eu.api.openai.com", "us.api.openai.com")


class FastPathModel:
    """A ChatModel that posts chat completions by itself.

    Args:
        target: the requested model.
        template: the request.
        session: where to send it.
        prices: the model's prices.
        max_body_bytes: the longest answer.
    """

    def __init__(
        self,
        target: Target,
        template: Template,
        session: aiohttp.ClientSession,
        prices: PriceBook,
        max_body_bytes: int,
    ) -> None:
        from litellm.litellm_core_utils.prompt_templates.common_utils import extract_reasoning_content

        self._target, self._template, self._prices = target, template, prices
        self._session, self._max_body_bytes = session, max_body_bytes
        self._proxy = proxy_for(template.url)
        self._without_thoughts = extract_reasoning_content

    @property
    def name(self) -> str:
        """The requested model's full name."""
        return self._target.name

    async def complete(self, prompt: Prompt, attempt: Attempt) -> Completion:  # noqa: ARG002  # the port's signature
        """Ask once; see the port. The recorder bounds the time."""
        try:
            async with self._session.post(
                self._template.url,
                data=self._template.body(prompt),
                headers=self._template.headers,
                allow_redirects=False,
                proxy=self._proxy,
                middlewares=(),
            ) as response:
                status = response.status
                if not 200 <= status < 300:
                    raise await self._failure(response)
                raw = await self._read(response)
        except TimeoutError:
            raise LLMTimeoutError("The provider could not be reached in time.") from None
        except (aiohttp.ClientError, OSError) as error:
            raise ProviderUnavailableError(f"The provider could not be reached ({type(error).__name__}).") from None
        return self._completion(raw, status)

    async def _failure(self, response: aiohttp.ClientResponse) -> LLMError:
        """The error of a failed answer; its body is read so that the connection can be used again."""
        try:
            await self._read(response)
        except (LLMError, AnswerTooLongError, aiohttp.ClientError, OSError):
            response.close()
        return from_status(response.status, response.headers)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The decoded body. It is counted while it comes: a body without end is an error, not memory."""
        if (response.content_length or 0) > self._max_body_bytes:
            response.close()
            raise too_long(self._max_body_bytes, response.status)
        chunks: list[bytes] = []
        left = self._max_body_bytes
        try:
            async for chunk in response.content.iter_any():
                left -= len(chunk)
                if left < 0:
                    response.close()
                    raise too_long(self._max_body_bytes, response.status)
                chunks.append(chunk)
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        finally:
            chunks.clear()  # an error keeps this frame for as long as somebody keeps the error

    def _completion(self, raw: bytes, status: int) -> Completion:
        try:
            payload = json.loads(raw)
        except (ValueError, RecursionError):
            raise ProviderUnavailableError("The provider's answer is not JSON.", http_status=status) from None
        if not isinstance(payload, dict):
            raise ProviderUnavailableError("The provider's answer is no JSON object.", http_status=status)
        if payload.get("error") or not isinstance(payload.get("choices"), list):
            raise _error_inside(payload.get("error"), status)
        reading = read_usage(payload.get("usage"), payload.get("service_tier"))
        model = name_of(payload.get("model"), self._target.provider)
        choice = first_choice(payload["choices"])
        finish_reason = choice.get("finish_reason")
        return Completion(
            text=self._text(choice.get("message")),
            model=model,
            usage=reading.usage,
            cost=self._prices.cost(reading, model, lambda: self._prices.whole_cost_of(payload)),
            http_status=status,
            finish_reason=finish_reason if isinstance(finish_reason, str) else None,
        )

    def _text(self, message: object) -> str | None:
        if not isinstance(message, dict):
            return None
        text = text_of(message.get("content"))
        if text is not None and text.startswith("<"):
            text = self._without_thoughts({**message, "content": text})[1]
        return text


def covers(provider: str, template: Template | None) -> bool:
    """Whether the fast path may take a model's calls: LiteLLM's answers would be the same, costs included."""
    if template is None or provider not in COVERED:
        return False
    return not any(f"://{host}" in template.url for host in _REGIONAL_HOSTS)


def _error_inside(error: object, status: int) -> LLMError:
    """The error of a 200 that holds none of what was asked; some proxies put their own status into the body."""
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, int) and 400 <= code <= 599:
        mapped = from_status(code)
        mapped.http_status = status
        return mapped
    return ProviderUnavailableError("The provider's answer holds no choices.", http_status=status)
