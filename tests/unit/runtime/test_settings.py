"""Settings: read in one place, wrong ones named in one sentence, secrets never shown."""

import os
from pathlib import Path

import pytest

from domain.errors import UserError
from runtime.settings import Settings, as_environment, load_settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_defaults_need_nothing():
    settings = load_settings()
    assert settings.llm_model == "offline/semantic"
    assert settings.kafka_bootstrap_servers is None


def test_the_environment_comes_before_the_file_and_an_override_before_both(monkeypatch: pytest.MonkeyPatch):
    Path(".env").write_text("LLM_MODEL=openai/from-file\nMAX_IN_FLIGHT=7\n")
    monkeypatch.setenv("LLM_MODEL", "openai/from-environment")
    assert load_settings().llm_model == "openai/from-environment"
    assert load_settings(llm_model="openai/override").llm_model == "openai/override"
    assert load_settings(llm_model=None).max_in_flight == 7


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "")
    assert load_settings().database_url is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_IN_FLIGHT", "many"),
        ("MAX_IN_FLIGHT", "0"),
        ("API_PORT", "70000"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka"),
        ("LOG_LEVEL", "LOUD"),
        ("DRAIN_SECONDS", "nan"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=name) as caught:
        load_settings()
    assert "\n" not in caught.value.message


def test_a_child_gets_exactly_these_settings(monkeypatch: pytest.MonkeyPatch):
    settings = load_settings(database_url="postgresql://u:sesame@h/d", llm_model="openai/x")
    assert "sesame" not in repr(settings)
    monkeypatch.setattr(os, "environ", as_environment(settings, api_port=1234))
    again = load_settings()
    assert again.database_url == settings.database_url
    assert again == settings.model_copy(update={"api_port": 1234})


def test_the_example_file_lists_every_setting_with_its_default():
    lines = (Path(__file__).parents[3] / ".env.example").read_text().splitlines()
    listed = dict(line.removeprefix("#").split("=", 1) for line in lines if line.startswith("#") and "=" in line)
    listed = {name: value for name, value in listed.items() if " " not in name}
    fields = {name.upper(): field.default for name, field in Settings.model_fields.items()}
    assert listed == {name: "" if default is None else str(default) for name, default in fields.items()}
