"""docker-compose.yml says what is true of this release: its commands, its settings, its secrets, its health checks."""

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from runtime import exit_codes
from runtime.cli.main import SERVICES, feedback
from runtime.settings import Settings
from runtime.wiring import kafka_connection

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}


def test_all_long_running_commands_have_a_service_and_one_step_makes_ready_for_each():
    assert set(OURS) == (SERVICES - {"up"}) | {"topics", "migrate"}


@pytest.mark.parametrize("name", OURS)
def test_every_service_runs_a_command_that_there_is(name: str):
    command: click.Command | None = feedback
    for word in OURS[name]["command"]:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
        assert command is not None, word
    assert not isinstance(command, click.Group)


def test_every_variable_is_a_setting_that_the_example_file_lists():
    settings = {name.upper() for name in Settings.model_fields}
    asked = set(re.findall(r"\$\{([A-Z_]+)", TEXT))
    given = {name for service in OURS.values() for name in service["environment"]}
    listed = set(re.findall(r"(?m)^#?([A-Z_]+)=", (ROOT / ".env.example").read_text()))
    assert asked
    assert asked | given <= settings
    assert settings == listed


@pytest.mark.parametrize("name", OURS)
def test_every_setting_of_the_env_file_reaches_every_service(name: str):
    assert OURS[name]["env_file"] == [{"path": ".env", "required": False}]
    keys = {"LLM_API_KEY", "LLM_FALLBACK_API_KEY", "JUDGE_API_KEY", "BUDGETS_FILE", "BUDGETS_WEBHOOK_SECRET"}
    overridden = {"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_ALLOW_PLAINTEXT", "API_HOST", "API_PORT"} | keys
    services_here = ("DATABASE_", "METRICS_", "KAFKA_SECURITY_", "KAFKA_SASL_", "KAFKA_SSL_")
    assert all(one in overridden or one.startswith(services_here) for one in OURS[name]["environment"])


def test_only_who_calls_a_model_has_its_key():
    keys = {name: service["environment"]["LLM_API_KEY"] for name, service in OURS.items()}
    assert keys.pop("worker") == keys.pop("judge") == "${LLM_API_KEY:-}"
    assert set(keys.values()) == {""}
    judges = {name: service["environment"]["JUDGE_API_KEY"] for name, service in OURS.items()}
    assert judges.pop("judge") == "${JUDGE_API_KEY:-}"
    assert set(judges.values()) == {""}


def test_a_database_url_of_the_env_file_does_not_come_before_the_service_here(monkeypatch):
    environment = {name: str(value) for name, value in OURS["api"]["environment"].items()}
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, re.sub(r"\$\{.*\}", "x", value))
    settings = Settings(_env_file=None)
    assert (settings.database_url, settings.database_host, settings.api_port) == (None, "postgres", 8080)


@pytest.mark.parametrize("name", OURS)
def test_the_broker_here_is_reached_as_it_listens_whatever_the_env_file_says_of_another(monkeypatch, name: str):
    for setting, value in {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SSL_CA_FILE": "/none.pem"}.items():
        monkeypatch.setenv(setting, value)  # as .env would
    for setting, value in OURS[name]["environment"].items():
        monkeypatch.setenv(setting, re.sub(r"\$\{.*\}", "x", str(value)))
    connection = kafka_connection(Settings(_env_file=None))
    assert connection.addresses() == ["kafka:9092"]
    assert COMPOSE["services"]["kafka"]["environment"]["KAFKA_LISTENERS"].startswith(
        f"{connection.security.protocol}://:9092"
    )
    assert "ports" not in COMPOSE["services"]["kafka"]


def test_a_worker_that_halts_itself_is_not_started_for_ever():
    assert exit_codes.HALTED != 0
    assert OURS["worker"]["restart"] == "on-failure:5"
    assert {OURS[name]["restart"] for name in ("topics", "migrate")} == {"no"}


def test_who_is_waited_for_can_be_waited_for():
    for service in COMPOSE["services"].values():
        for other, condition in service.get("depends_on", {}).items():
            awaited = COMPOSE["services"][other]
            if condition["condition"] == "service_healthy":
                assert awaited["healthcheck"]["test"]
            else:
                assert condition["condition"] == "service_completed_successfully"
                assert awaited["restart"] == "no"
    for name in ("kafka", "postgres", "api"):
        assert COMPOSE["services"][name]["healthcheck"]["test"]
