"""Which models the settings name, and mistakes in naming them."""

import pytest

from domain.errors import UserError
from runtime.settings import Settings
from runtime.wiring.parts import delivery_settings, fallback_settings, settings_by_operation
from schemas.operations import Operation


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


def test_requests_over_many_records_have_a_deadline_of_their_own():
    chosen = delivery_settings(Settings(invocation_deadline_seconds=10, request_deadline_seconds=77))
    assert chosen.deadline(Operation.SUMMARIZE) == 10
    assert chosen.deadline(Operation.ANALYZE) == chosen.deadline(Operation.SUMMARIZE_AGGREGATE) == 77
