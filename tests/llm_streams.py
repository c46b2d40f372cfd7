"""The local provider of `tests.llm_server`, which also streams: an answer word by word, as server-sent events."""

import json
from typing import Any

from aiohttp import web

from tests.llm_answers import Question
from tests.llm_behaviours import Behaviour
from tests.llm_server import LLMServer


class StreamingLLMServer(LLMServer):
    """`stream: true` is answered with chunks, and usage in the last one where `stream_options` ask for it."""

    def _answer(
        self, body: dict[str, Any], question: Question, user: str, odd: dict[str, Behaviour]
    ) -> web.StreamResponse:
        whole = super()._answer(body, question, user, odd)
        if not body.get("stream"):
            return whole
        assert isinstance(whole, web.Response)
        assert isinstance(whole.body, bytes)
        answered = json.loads(whole.body)
        words = answered["choices"][0]["message"]["content"].split(" ")
        head = {"id": answered["id"], "object": "chat.completion.chunk", "created": 1, "model": answered["model"]}
        chunks = [_chunk(head, {"role": "assistant", "content": f"{word} "}, None) for word in words]
        chunks.append(_chunk(head, {}, "stop"))
        if (body.get("stream_options") or {}).get("include_usage"):
            chunks.append({**head, "choices": [], "usage": answered["usage"]})
        lines = [json.dumps(chunk) for chunk in chunks]
        text = "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"])
        return web.Response(text=text, content_type="text/event-stream")


def _chunk(head: dict[str, Any], delta: dict[str, str], finish: str | None) -> dict[str, Any]:
    return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
