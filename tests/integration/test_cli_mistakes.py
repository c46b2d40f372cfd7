"""What a person does wrong ends as one line, the remedy in it, and exit code 2."""

import contextlib
import json
import os
import pwd
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.integration.system_support import (
    FEEDBACK,
    an_environment,
)

NOWHERE = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
RECORD = json.dumps({"id": "1", "content": "The well is dry."})


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """What runs here is not root, whoever runs the tests; and not in a folder that only root may look into."""
    before, user = Path.cwd(), os.geteuid()
    os.chdir("/")
    if user == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(user)
        os.chdir(before)


@pytest.fixture
def run_says(feedback_says, tmp_path) -> Callable[..., Any]:
    """Runs `feedback run` over a file of these lines, on servers that are not there."""

    def run(lines: str | bytes, *more: object) -> Any:
        records = tmp_path / "records.jsonl"
        records.write_bytes(lines if isinstance(lines, bytes) else lines.encode())
        return feedback_says("run", "--records", records, "--out", tmp_path / "out", *more, **NOWHERE)

    return run


def test_metrics_on_the_port_of_the_api(feedback_says):
    said = feedback_says("up", METRICS_PORT=19464, API_PORT=19465, **NOWHERE)
    said.assert_one_sentence("API_PORT=19465", "of the worker's metrics", "another METRICS_PORT")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (f"{RECORD}\n{{oops\n", ("Line 2 of", "is not JSON", "one JSON object per line")),
        (f"{RECORD}\n[1]\n", ("Line 2 of", "is not a JSON object")),
        ('{"content": "no id"}\n', ("Line 1 of", "records.jsonl has no usable `id`")),
        (
            '{"id": "1"}\n',
            (
                "Line 1 of",
                "records.jsonl has no text under `content`",
            ),
        ),
        ("\n \n", ("holds no records",)),
        (b'{"id": "1", "content": "caf\xe9"}\n', ("is not UTF-8 text", "Line 1 of", "Save the file as UTF-8")),
    ],
    ids=["not JSON", "not an object", "no id", "no content", "empty", "not UTF-8"],
)
def test_a_file_that_is_no_file_of_records(run_says, lines, words):
    run_says(lines).assert_one_sentence(*words)


def test_a_coding_without_a_framework(run_says, tmp_path):
    asked = ("--operations", "assign_codes")
    run_says(RECORD, *asked).assert_one_sentence("assign_codes", "line 1", "tenant is default", "--framework")
    framework = tmp_path / "framework.json"
    framework.write_text('{"tenant_id": "acme", "root_codes": [{"id": "c", "name": "Code"}]}')
    given = run_says(RECORD, *asked, "--framework", framework)
    given.assert_one_sentence("tenant is default", "given for acme only")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("openai/gpt-4o-mini", ("needs a key of openai", "LLM_API_KEY")),
        ("gtp-4o", ("No provider is known for the model gtp-4o", "--model")),
        ("offline/unknown", ("There is no model offline/unknown", "--model")),
    ],
)
def test_a_model_that_cannot_be_used(feedback_says, tmp_path, monkeypatch, model, words):
    """Told before anything is started, and before an earlier run's results go."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "records.jsonl").write_text(f"{RECORD}\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summaries.jsonl").write_text("earlier\n")
    ended = feedback_says("run", "--records", "records.jsonl", "--out", "out", "--overwrite", "--model", model)
    ended.assert_one_sentence(*words)
    assert "Starting" not in ended.out
    assert (tmp_path / "out" / "summaries.jsonl").read_text() == "earlier\n"


def test_files_that_cannot_be_read_or_written(feedback_says, run_says, tmp_path):
    missing = feedback_says("run", "--records", tmp_path / "none.jsonl", "--out", tmp_path / "out", **NOWHERE)
    missing.assert_one_sentence("none.jsonl cannot be read", "Check the path")
    framework = tmp_path / "framework.json"
    framework.write_text('{"root_codes": [{"id": 1}]}')
    run_says(RECORD, "--framework", framework).assert_one_sentence("`root_codes[0].id` is a number, and not text")
    private = tmp_path / "private.jsonl"
    private.write_text(RECORD)
    private.chmod(0)
    with without_rights():
        forbidden = feedback_says("run", "--records", private, "--out", tmp_path / "out", **NOWHERE)
    forbidden.assert_one_sentence("private.jsonl cannot be read: Permission denied", "your rights")
    (tmp_path / "taken").write_text("a file")
    run_says(RECORD, "--out", tmp_path / "taken" / "out").assert_one_sentence("cannot be written", "--out")
    run_says(RECORD, "--out", tmp_path / "taken").assert_one_sentence("--out", "is a file")


@pytest.mark.parametrize("command", ["worker", "consumer", "roller", "api", "migrate"])
def test_a_setting_that_is_missing(feedback_says, command):
    feedback_says(command).assert_one_sentence(" is not set.", "`feedback up`")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_IN_FLIGHT", "many"),
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost"),
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost..:9092"),
        ("DRAIN_SECONDS", "-1"),
        ("DATABASE_AUTH", "magic"),
        ("LLM_MODEL", "nobody/knows-this"),
        ("LLM_MODEL", "offline/unknown"),
    ],
)
def test_a_setting_that_does_not_fit(feedback_says, kafka, name, value):
    settings = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, name: value}
    feedback_says("worker", **settings).assert_one_sentence(name)


def test_a_key_that_is_missing(feedback_says, kafka):
    settings = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "LLM_MODEL": "openai/gpt-4o-mini"}
    feedback_says("worker", **settings).assert_one_sentence("LLM_API_KEY")


@pytest.mark.parametrize("command", [("worker",), ("consumer",), ("topics", "create")])
def test_a_kafka_that_is_not_there(feedback_says, command):
    feedback_says(*command, **NOWHERE).assert_one_sentence("127.0.0.1:1", "KAFKA_BOOTSTRAP_SERVERS")


def test_a_run_on_servers_that_are_not_there(run_says):
    ended = run_says(RECORD)
    ended.assert_one_sentence("Kafka does not answer at 127.0.0.1:1")
    assert ended.out == ""  # before anything is started


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("garbage", ("is not a PostgreSQL URL", "DATABASE_URL")),
        ("mysql://u:p@127.0.0.1/d", ("is not a PostgreSQL URL", "DATABASE_URL")),
        ("postgresql://u:p[w@127.0.0.1/d", ("The database URL", "percent-encode the password")),
        ("postgresql://nobody@127.0.0.1:1/none", ("127.0.0.1:1", "DATABASE_URL")),
    ],
)
def test_a_run_on_a_database_that_is_not_there(feedback_says, tmp_path, url, words):
    (tmp_path / "records.jsonl").write_text(f"{RECORD}\n")
    ended = feedback_says("run", "--records", "records.jsonl", "--out", "out", DATABASE_URL=url)
    ended.assert_one_sentence(*words)
    assert ended.out == ""  # before an embedded Kafka is started
    assert not (tmp_path / "out").exists()


def test_a_folder_with_results_of_an_earlier_run(run_says, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summaries.jsonl").write_text("earlier\n")
    ended = run_says(RECORD)
    ended.assert_one_sentence("out holds results of an earlier run.", "--overwrite")
    assert ended.out == ""
    run_says(RECORD, "--overwrite").assert_one_sentence("Kafka does not answer")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"summaries.jsonl"}
    assert (tmp_path / "out" / "summaries.jsonl").read_text() == "earlier\n"


def test_a_framework_that_nobody_can_publish(feedback_says, tmp_path):
    lines = [{"id": "1", "content": "c", "framework_id": "elsewhere"}, {"id": "2", "content": "c"}]
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ended = feedback_says("run", "--records", "records.jsonl", "--out", "out")
    ended.assert_one_sentence("1 of 2 records name a framework", "elsewhere", "--framework")
    assert ended.out == ""


@pytest.mark.parametrize("command", [("migrate",), ("keys", "list"), ("consumer",)])
def test_a_password_that_is_wrong(feedback_says, kafka, postgres, command):
    parts = urlsplit(postgres.url)
    wrong = urlunsplit(parts._replace(netloc=f"{parts.username}:not-the-password@{parts.hostname}:{parts.port}"))
    ended = feedback_says(*command, KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers, DATABASE_URL=wrong)
    ended.assert_one_sentence("password", "DATABASE_")
    assert "not-the-password" not in ended.out + ended.err


def test_a_port_that_is_taken(feedback_says, postgres):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        feedback_says("api", DATABASE_URL=postgres.url, API_PORT=port).assert_one_sentence(str(port), "choose another")


def test_a_port_that_is_taken_is_told_before_anything_is_started(feedback_says):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = feedback_says("up", API_PORT=port, **NOWHERE)
        said.assert_one_sentence(f"The API cannot listen on 127.0.0.1:{port}", "API_PORT")
        said = feedback_says("up", METRICS_PORT=port, **NOWHERE)
        said.assert_one_sentence(f"The metrics cannot be served on 127.0.0.1:{port}", "METRICS_PORT")
        feedback_says("up", METRICS_PORT=port, METRICS_HOST="a..b", **NOWHERE).assert_one_sentence("a..b")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("dance",), ("dance", "`feedback --help`")),
        (("worker", "--fast"), ("--fast", "`feedback worker --help`")),
        (("run",), ("--records", "`feedback run --help`")),
        (("run", "--operations", "sing"), ("sing", "summarize, detect_sensitive.", "`feedback run --help`")),
        (("topics", "schema", "Nothing"), ("Nothing", "CodesAssigned")),
        (("demo",), ("samples holds no sample records", "--samples")),
    ],
)
def test_words_that_mean_nothing_here(feedback_says, arguments, words):
    feedback_says(*arguments).assert_one_sentence(*words)


def test_help_works_anywhere_and_loads_nothing_heavy(tmp_path):
    for package in ("schemas", "domain", "runtime"):  # folders of a person's own with our names
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('the wrong one')")
    environment = an_environment(PYTHONPROFILEIMPORTTIME=1)
    ended = subprocess.run(
        [FEEDBACK, "--help"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    for command in ("up", "run", "demo", "worker", "consumer", "roller", "api", "migrate", "topics", "keys"):
        assert f"\n  {command} " in ended.stdout
    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "click" in loaded
    assert not loaded & {"litellm", "faust", "sklearn", "numpy", "aiokafka", "sqlalchemy", "fastapi", "pydantic"}


def test_output_that_finds_no_room_is_told_in_one_line():
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [FEEDBACK, "--help"], env=an_environment(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
            check=False,
        )  # fmt: skip
    assert ended.returncode == 2
    told = "feedback: The output, or a file, cannot be written (No space left on device)."
    assert ended.stderr == f"{told} Make room, or name another place.\n"
