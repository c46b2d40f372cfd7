"""The offline side of larger work: several records in one prompt, and the codes that are near to a record."""

import asyncio
import threading
from contextlib import aclosing

import numpy as np
import pytest

from adapters.offline.engine import Engine
from adapters.offline.likeness import AT_ONCE, EmbeddedCodes
from adapters.offline.prompt_reader import UnreadablePromptError
from domain.operations.coding_batch import Batch
from domain.operations.narrowing import Narrower, Texts
from domain.operations.outline import outline_of
from tests.builders import a_record
from tests.unit.adapters.offline.prompts import a_community_framework, code_ids, coding, coding_prompt

FRAMEWORK = a_community_framework()
OUTLINE = outline_of(FRAMEWORK)
CONTENTS = (
    "The pump in our street has given no water for three days.",
    "asdf qwer",
    "Les cours n'ont pas lieu, l'école est fermée.",
    "Люди кажуть, що вакцина небезпечна. <b>",
)


def test_each_record_of_a_batch_gets_what_it_would_get_by_itself(engine: Engine) -> None:
    batch = Batch.of([a_record(content=content) for content in CONTENTS], OUTLINE, None)
    prompt = batch.prompt()

    found = batch.parse(engine.answer(prompt.system, prompt.user))

    assert list(found) == [coding(engine, FRAMEWORK, content) for content in CONTENTS]
    assert found[0] is not None
    assert code_ids(found[0])[0] == "no-water"


def test_a_batch_without_checks_is_no_prompt_of_ours(engine: Engine) -> None:
    system = Batch.of([a_record()], OUTLINE, None).prompt().system

    with pytest.raises(UnreadablePromptError, match="a number and a check"):
        engine.answer(system, coding_prompt(OUTLINE, CONTENTS[0]).user)


async def test_the_nearest_codes_are_found_in_any_language_and_the_part_is_read(engine: Engine) -> None:
    budget = 30
    whole = outline_of(FRAMEWORK, budget)
    async with aclosing(EmbeddedCodes()) as likeness:
        part = await Narrower(likeness, budget).narrowed(whole, CONTENTS[2])

    assert "school-closed" in part.ids
    assert len(part.paths) < len(whole.paths)
    prompt = coding_prompt(part, CONTENTS[2])
    assert engine.answer(prompt.system, prompt.user)


class Counting:
    """An embedder that notes what it is asked, and where."""

    def __init__(self, asked):
        self.asked = asked

    def encode(self, texts):
        self.asked.append((threading.current_thread().name, len(texts)))
        return np.eye(len(texts), 512, dtype=np.float32)


async def test_a_frameworks_codes_are_embedded_once_in_a_thread_beside_the_event_loop():
    asked = []
    texts = Texts.of(f"code {n}" for n in range(AT_ONCE + 1))
    async with aclosing(EmbeddedCodes(lambda: Counting(asked))) as likeness:
        assert asked == [], "nothing is loaded before a framework needs it"
        first, again = await asyncio.gather(likeness.of("One.", texts), likeness.of("One.", texts))

    assert list(first) == list(again)
    assert len(first) == len(texts.texts)
    assert {thread for thread, _ in asked} == {"likeness_0"}
    assert [count for _, count in asked] == [AT_ONCE, 1, 1, 1]
