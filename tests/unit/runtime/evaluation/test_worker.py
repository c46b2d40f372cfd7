"""What an evaluation answers with: one model, its bound, and what it has learned first."""

import json
from contextlib import asynccontextmanager

from adapters.llm.recording import RecordingModel
from domain.corrections import LessonBook
from domain.llm.breaker import CircuitBreaker
from domain.llm.routing import Route, Routing
from runtime.evaluation import worker
from runtime.evaluation.answering import Answering
from runtime.evaluation.collected import Collected
from runtime.evaluation.worker import alone, worker_of
from runtime.settings import Settings
from schemas.corrections import CodesCorrected
from tests.builders import FRAMEWORK, NOON, TENANT, a_framework
from tests.unit.runtime.evaluation.test_answering import Provider, a_line

JARGON = [a_line(number, f"Again the blue donkey is missing, {number}.", (("thanks",),)) for number in (1, 2)]


def a_book(*names, codes=("thanks",)):
    book = LessonBook()
    for name in names:
        correction = {
            "tenant_id": TENANT,
            "record_id": name,
            "framework_id": FRAMEWORK,
            "code_ids": codes,
            "content": f"The blue donkey is missing ({name}).",
            "corrected_at": NOON,
        }
        book.take(CodesCorrected.model_validate(correction))
    return book


async def answered(settings, records, lessons=None):
    """What the records' results are, and why others have none."""
    collected = Collected()
    async with worker_of(settings, [a_framework()], collected, lessons) as handler:
        await Answering(records).run(handler, lambda _: None)
    return collected


def calls_of(collected):
    spent, others = collected.spending({1, 2})
    assert others.calls == 0
    return spent["assign_codes"].calls


async def test_all_is_learned_before_the_first_record_and_costs_no_call_of_the_evaluation():
    settings = Settings(_env_file=None)
    without = await answered(settings, JARGON)
    assert all(given.paths[:1] != (("thanks",),) for given in without.codings.values())
    for codes in (("thanks",), ("dirty-water",)):  # and what was learned for one evaluation is not kept for the next
        taught = await answered(settings, JARGON, a_book("one", "two", "three", codes=codes))
        assert [given.paths[0][-1] for given in taught.codings.values()] == [*codes, *codes]
        assert (len(taught.codings), calls_of(taught)) == (2, 2)


async def test_other_models_see_corrected_records_and_nothing_else_of_any_label(monkeypatch):
    provider = Provider()

    @asynccontextmanager
    async def stub(settings, chosen, events):
        model = RecordingModel(provider, events, 10.0)
        yield Routing(Route(model, CircuitBreaker()))
        await model.aclose()

    monkeypatch.setattr(worker, "one_model", stub)
    settings = Settings(_env_file=None, llm_model="openai/x", corrected_examples=5)
    await answered(settings, JARGON, a_book("one", "also"))
    assert len(provider.prompts) == 2  # nothing is asked for the learning's sake
    for prompt in provider.prompts:
        assert prompt.user.count('<corrected_example codes="2">') == 2
        assert "secret" not in json.dumps(prompt.messages())


async def test_the_models_bound_counts():
    records = [a_line(1, "The tap is dry.", ()), a_line(2, "The tap is dry. " * 1_200, ())]
    collected = await answered(Settings(_env_file=None, llm_context_tokens=8_000), records)
    assert collected.reasons({1, 2}) == {"assign_codes": {"too_large": 1}}
    assert (set(collected.codings), calls_of(collected)) == ({1}, 1)


def test_it_is_one_model():
    settings = Settings(
        _env_file=None,
        llm_models="assign_codes=openai/a",
        llm_fallback_model="openai/b",
        llm_fallback_api_key="k",
        llm_fallback_api_base="http://127.0.0.1:1",
    )
    one = alone(settings)
    assert (one.llm_models, one.llm_fallback_model, one.llm_fallback_api_key, one.llm_fallback_api_base) == (None,) * 4
