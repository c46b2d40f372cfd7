"""The offline model behind the ChatModel port and as a LiteLLM provider."""

import asyncio
import json
import subprocess
import sys
import time
from decimal import Decimal

import litellm
import pytest

from adapters.offline.engine import Engine
from adapters.offline.litellm_provider import register
from adapters.offline.prompt_reader import UnreadablePromptError
from adapters.offline.provider import OfflineModel
from domain.llm.calls import ChatModel, Prompt
from domain.operations import summarize
from domain.operations.outline import outline_of
from tests.builders import a_record, an_attempt
from tests.unit.adapters.offline.prompts import a_community_framework, coding_prompt


def _prompt(content: str = "The tap is dry.") -> Prompt:
    return coding_prompt(outline_of(a_community_framework()), content)


async def test_it_answers_as_a_chat_model_for_nothing(engine: Engine) -> None:
    model: ChatModel = OfflineModel(engine)
    prompt = _prompt()

    completion = await model.complete(prompt, an_attempt())

    assert json.loads(completion.text or "")["codes"][0]["id"] == "1.1.1"
    assert completion.model == model.name == "offline/semantic"
    assert (completion.cost.usd, completion.cost.source) == (Decimal(0), "offline")
    assert completion.usage.input_tokens == -(-len(prompt.system + prompt.user) // 4)
    assert completion.usage.output_tokens == -(-len(completion.text or "") // 4)


async def test_the_event_loop_stays_free_while_it_works(engine: Engine) -> None:
    model = OfflineModel(engine)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count_turns())
    answers = await asyncio.gather(*(model.complete(_prompt(f"No water, day {n}."), an_attempt()) for n in range(20)))
    counter.cancel()

    assert len(answers) == 20
    assert turns > 20
    await model.aclose()


async def test_a_duration_does_not_count_the_time_in_the_queue() -> None:
    class Slow(Engine):
        def warm_up(self) -> None:
            pass

        def answer(self, system: str, user: str, teaching: object = None) -> str:
            time.sleep(0.02)
            return "{}"

    model = OfflineModel(Slow())
    started = time.perf_counter()
    answers = await asyncio.gather(*(model.complete(_prompt(), an_attempt()) for _ in range(10)))
    elapsed = time.perf_counter() - started

    durations = [answer.duration_seconds or 0.0 for answer in answers]
    assert min(durations) >= 0.02
    assert sum(durations) <= elapsed
    await model.aclose()


async def test_a_prompt_of_somebody_else_is_refused(engine: Engine) -> None:
    foreign = Prompt(operation="chat", version="1", system="Be nice.", user="Hello", max_output_tokens=10)

    with pytest.raises(UnreadablePromptError, match="no language model"):
        await OfflineModel(engine).complete(foreign, an_attempt())


async def test_litellm_programs_get_the_same_answer_under_the_same_name(engine: Engine) -> None:
    register(engine)
    register(engine)
    prompt = _prompt()

    response = await litellm.acompletion(model="offline/semantic", messages=prompt.messages(), max_retries=0)

    own = await OfflineModel(engine).complete(prompt, an_attempt())
    assert response.choices[0].message.content == own.text
    assert response.model == "offline/semantic"
    assert response.usage.prompt_tokens == own.usage.input_tokens
    assert response.usage.completion_tokens == own.usage.output_tokens


def test_litellm_programs_may_call_without_an_event_loop(engine: Engine) -> None:
    register(engine)

    response = litellm.completion(
        model="offline/semantic", messages=summarize.prompt(a_record(content="The tap is dry.")).messages()
    )

    assert json.loads(response.choices[0].message.content)["bullets"] == ["The tap is dry."]


@pytest.mark.parametrize(
    ("model", "status"), [("offline/semantic", 400), ("offline/other", 404)], ids=["foreign prompt", "unknown model"]
)
async def test_litellm_programs_get_a_clear_error(engine: Engine, model: str, status: int) -> None:
    register(engine)

    with pytest.raises(Exception, match="offline") as caught:
        await litellm.acompletion(model=model, messages=[{"role": "user", "content": "Hi"}], max_retries=0)

    assert getattr(caught.value, "status_code", None) == status


def test_the_first_coding_imports_nothing_more_once_it_is_warmed_up() -> None:
    """A second of imports would be the first record's."""
    program = """
import sys
from adapters.offline.engine import Engine
from domain.operations.outline import outline_of
from tests.unit.adapters.offline.prompts import a_community_framework, coding_prompt
engine = Engine()
engine.warm_up()
prompt = coding_prompt(outline_of(a_community_framework()), "The tap is dry.")
before = set(sys.modules)
engine.answer(prompt.system, prompt.user)
print(sorted(set(sys.modules) - before))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.strip() == "[]"
