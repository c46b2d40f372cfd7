"""`offline/semantic` as a ChatModel: no network, no key, no cost."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from adapters.offline.engine import Engine, shared_engine
from domain.llm.calls import Attempt, Completion, Cost, Prompt, Usage

MODEL_NAME = "offline/semantic"
CHARACTERS_PER_TOKEN = 4
COST = Cost(Decimal(0), "offline")


def tokens(*texts: str) -> int:
    """About how many tokens a language model would count: one for four characters, rounded up over all texts."""
    return -(-sum(map(len, texts)) // CHARACTERS_PER_TOKEN)


class OfflineModel:
    """Answers prompts in a thread of its own, one after the other, so that the event loop stays free."""

    name = MODEL_NAME

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine
        self._loaded = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="offline-semantic")

    def warm_up(self) -> None:
        """Load what takes seconds in the model's own thread, while the process does other things."""
        self._thread.submit(self._load)  # should it fail, the first answer tries again, and tells

    async def complete(self, prompt: Prompt, attempt: Attempt) -> Completion:  # noqa: ARG002  (the port's shape)
        """Answer a prompt; the same prompt always gives the same answer, whatever was wrong with it before.

        Of a coding that is so for the same corrections (`prompt.teaching`), once they have been learned from.

        The completion's `duration_seconds` is the work in the thread alone: waiting for it is no part of an answer.

        Raises:
            UnreadablePromptError: the prompt is not one of the product's.
        """
        text, seconds = await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, prompt)
        usage = Usage(
            input_tokens=tokens(*(message["content"] for message in prompt.messages())),
            output_tokens=tokens(text),
        )
        return Completion(
            text=text, model=self.name, usage=usage, cost=COST, finish_reason="stop", duration_seconds=seconds
        )

    async def aclose(self) -> None:
        """Let the thread end; what is still queued is dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> Engine:
        engine = self._engine = self._engine or shared_engine()
        if not self._loaded:  # to load again what is there costs as much as an answer
            engine.warm_up()
            self._loaded = True
        return engine

    def _answer(self, prompt: Prompt) -> tuple[str, float]:
        """The answer, and how many seconds it took."""
        engine = self._load()
        started = time.perf_counter()
        text = engine.answer(prompt.system, prompt.user, prompt.teaching)
        return text, time.perf_counter() - started
