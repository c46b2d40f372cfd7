"""The two ways to one model, asked alike: what the contract between them is held on."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from adapters.llm.failures import AnswerTooLongError
from adapters.llm.fast_path import FastPathModel
from adapters.llm.litellm_model import LiteLLMModel
from domain.errors import FeedbackError, LLMError
from domain.llm.calls import Attempt, Completion, Invocation, Prompt
from tests.llm_server import LLMServer, Seen

SYSTEM = """Task: assign_codes
Answer with one JSON object.
<framework>
1 Health: clinics & medicine
1.1 Clinic opening hours
2 Water
</framework>
<options>
max_codes: 2
</options>"""


def prompt(marker: str = "", complaint: str | None = None) -> Prompt:
    user = f"<feedback_record>\nL'eau\u200b est loin — الماء 💧 {marker}\n</feedback_record>"
    return Prompt("assign_codes", "assign_codes.v1", SYSTEM, user, 400, complaint)


def attempt() -> Attempt:
    return Attempt(Invocation(uuid4(), "t", "assign_codes", datetime.now(UTC), 60.0), 1, "assign_codes.v1")


@dataclass
class Pair:
    """The two ways to one model at one server."""

    fast: FastPathModel
    slow: LiteLLMModel
    server: LLMServer

    async def both(self, asked: Prompt) -> tuple[Completion | FeedbackError, Completion | FeedbackError]:
        """What each way comes to, each with exactly one request, the two alike."""
        self.server.requests.clear()
        ends = await end(self.fast, asked), await end(self.slow, asked)
        first, second = self.server.requests
        assert first.path == second.path
        assert first.body == second.body
        assert told(first) == told(second)
        return ends


def told(seen: Seen) -> dict[str, str]:
    """The headers that say something to a provider."""
    names = ("Authorization", "Content-Type", "Accept", "Api-Key", "OpenAI-Organization")
    return {name: seen.headers[name] for name in names if name in seen.headers}


async def end(model: FastPathModel | LiteLLMModel, asked: Prompt) -> Completion | FeedbackError:
    try:
        return await asyncio.wait_for(model.complete(asked, attempt()), 20)
    except (LLMError, AnswerTooLongError) as error:
        return error
