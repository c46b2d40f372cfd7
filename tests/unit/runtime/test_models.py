"""Which models the settings name, and mistakes in naming them."""

from contextlib import asynccontextmanager

import pytest

from domain.errors import UserError
from runtime.cli import up
from runtime.metrics.figures import WorkerFigures
from runtime.model_check import check_models
from runtime.settings import Settings
from runtime.system import system
from runtime.wiring import judging
from runtime.wiring.corrections import models_learn
from runtime.wiring.judging import judge_settings
from runtime.wiring.parts import all_models, delivery_settings, fallback_settings, settings_by_operation
from schemas.cloudevents import headers_for
from schemas.operations import Operation
from tests.builders import NOON, a_message, a_record
from tests.fakes import FakePublisher
from tests.unit.domain.judging.test_results import PastMessages, a_summary

OTHER = {"llm_model": "openai/gpt-4o-mini", "llm_api_key": "k"}


def test_each_operation_may_have_its_model_reached_as_the_first():
    settings = Settings(llm_models="summarize=openai/a, analyze = azure/b,", llm_api_key="sk-1")
    found = settings_by_operation(settings)
    assert {operation: (one.model, one.api_key) for operation, one in found.items()} == {
        Operation.SUMMARIZE: ("openai/a", "sk-1"),
        Operation.ANALYZE: ("azure/b", "sk-1"),
    }
    assert settings_by_operation(Settings(llm_models=None)) == {}


@pytest.mark.parametrize(
    "wrong", ["openai/a", "sing=openai/a", "summarize=", "summarize=a/b,summarize=a/c", "judge=a/b"]
)
def test_what_names_no_models_is_refused_with_a_remedy(wrong):
    with pytest.raises(UserError, match="LLM_MODELS") as caught:
        settings_by_operation(Settings(llm_models=wrong))
    assert "summarize" in caught.value.remedy


def test_a_fallback_has_its_own_key_and_address():
    settings = Settings(llm_model="openai/a", llm_api_key="sk-1", llm_fallback_model="openai/b")
    fallback = fallback_settings(settings)
    assert fallback is not None
    assert (fallback.model, fallback.api_key) == ("openai/b", None)
    assert fallback_settings(Settings()) is None
    with pytest.raises(UserError, match="LLM_FALLBACK_API_KEY"):
        fallback_settings(Settings(llm_fallback_api_key="sk-2"))


@pytest.mark.parametrize(
    ("wrong", "message", "remedy"),
    [
        ({"llm_model": "nobody/x"}, "No provider is known for the model nobody/x.", "Set LLM_MODEL (or --model"),
        (
            {"llm_fallback_model": "nobody/x"},
            "No provider is known for the model nobody/x (LLM_FALLBACK_MODEL).",
            "Set LLM_FALLBACK_MODEL to",
        ),
        (
            {"llm_fallback_model": "openai/gpt-4o"},
            "The model openai/gpt-4o (LLM_FALLBACK_MODEL) needs a key of openai.",
            "Set LLM_FALLBACK_API_KEY (",
        ),
        (
            {"llm_models": "assign_codes=offline/semantic,summarize=offline/x"},
            "There is no model offline/x (summarize in LLM_MODELS).",
            "Set summarize in LLM_MODELS to",
        ),
        (
            {"llm_models": "analyze=openai/gpt-4o"},
            "The model openai/gpt-4o (analyze in LLM_MODELS) needs a key of openai.",
            "Set LLM_API_KEY (",
        ),
    ],
)
async def test_each_model_that_is_set_is_looked_at_and_named(monkeypatch, wrong, message, remedy):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UserError) as caught:
        await check_models(all_models(Settings(_env_file=None, **wrong)), lambda _: None)
    assert caught.value.message == message
    assert caught.value.remedy.startswith(remedy)


async def test_a_model_that_is_set_twice_is_looked_at_once_and_so_is_a_judge():
    settings = Settings(_env_file=None, **OTHER, llm_models="summarize=openai/gpt-4o-mini", judge_model="nobody/x")
    said = []
    await check_models(all_models(settings), said.append)
    assert said == ["Checking the model openai/gpt-4o-mini ..."]
    with pytest.raises(UserError, match=r"nobody/x \(JUDGE_MODEL\)"):
        await check_models([judge_settings(settings)], said.append)


@pytest.mark.parametrize("name", ["llm_model", "llm_fallback_model", "judge_model"])
async def test_up_looks_at_them_before_it_starts_anything(monkeypatch, tmp_path, name):
    monkeypatch.setattr(system, "running_system", None)
    with pytest.raises(UserError, match="There is no model offline/x"):
        await up._keep_running(Settings(_env_file=None, feedback_home=tmp_path, **{name: "offline/x"}), workers=1)


def test_an_address_is_named_by_its_own_setting():
    settings = Settings(_env_file=None, llm_fallback_model="openai/a", llm_fallback_api_base="here")
    with pytest.raises(UserError, match="LLM_FALLBACK_API_BASE is no http address"):
        fallback_settings(settings)


@pytest.mark.parametrize(
    ("changes", "learns"),
    [
        ({}, True),
        ({"learn_from_corrections": False}, False),
        (OTHER, False),
        (OTHER | {"llm_models": "assign_codes=offline/semantic"}, True),
        ({"llm_models": "assign_codes=openai/gpt-4o-mini"}, False),
        ({"llm_models": "summarize=openai/gpt-4o-mini"}, True),
        (OTHER | {"llm_fallback_model": "offline/semantic"}, True),
    ],
)
def test_it_is_the_models_that_code_which_learn(changes, learns):
    assert models_learn(Settings(_env_file=None, **changes)) is learns


@pytest.mark.parametrize(("context", "judged"), [(None, 1), (1_000, 0)])
async def test_a_judge_is_not_asked_what_its_model_does_not_take(monkeypatch, context, judged):
    content = "The tap has been dry since " + " and ".join(f"day {day}" for day in range(500))
    record, events = a_message(a_record(content=content)), FakePublisher()

    @asynccontextmanager
    async def yielding(value):
        yield value

    monkeypatch.setattr(judging, "publisher", lambda _: yielding(events))
    monkeypatch.setattr(judging, "KafkaPastMessages", lambda *_: yielding(PastMessages(record)))
    settings = Settings(_env_file=None, kafka_bootstrap_servers="127.0.0.1:1", llm_context_tokens=context)
    async with judging._delivery(settings, WorkerFigures()) as handler:
        result = a_summary(record)
        headers = headers_for(result, "result-1", "0" * 32, NOON)
        await handler.handle(a_message(result, topic="feedback.summaries", headers=headers))
    assert len(events.on("feedback.judgements")) == judged
    assert [letter.reason for letter in events.dead_letters()] == ["too_large"] * (1 - judged)


def test_requests_over_many_records_have_a_deadline_of_their_own():
    chosen = delivery_settings(Settings(invocation_deadline_seconds=10, request_deadline_seconds=77))
    assert chosen.deadline(Operation.SUMMARIZE) == 10
    assert chosen.deadline(Operation.ANALYZE) == chosen.deadline(Operation.SUMMARIZE_AGGREGATE) == 77
