"""`feedback up`: the whole system from nothing, kept alive whatever dies under it, and gone when it is told to go."""

import contextlib
import json
import os
import re
import secrets
import shlex
import signal
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from runtime.embedded import ports
from runtime.settings import DEFAULT_API_PORT
from schemas.cloudevents import identify
from schemas.topics import CODE_ASSIGNMENTS, FRAMEWORKS, RECORDS, SUMMARIES
from tests.integration.system_support import ROOT, Running, eventually, feedback, publishing, reading, until_gone

FRAMEWORK = json.loads((ROOT / "samples" / "frameworks" / "red-river-relief.json").read_text())
SETTINGS = {"KAFKA_TOPIC_PARTITIONS": 2, "DRAIN_SECONDS": 5, "ROLL_SECONDS": 1}
NAMES = {"kafka", "postgres", "consumer", "worker", "roller", "api"}
HEADERS = {"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "traceparent"}


class Up:
    """A system that `feedback up` runs in `home`/.feedback, as its two files describe it."""

    def __init__(self, running: Running, home: Path) -> None:
        self.running = running
        self.directory = home / ".feedback"

    @property
    def env(self) -> dict[str, str]:
        lines = shlex.split((self.directory / "env").read_text())
        return dict(line.split("=", 1) for line in lines)

    @property
    def processes(self) -> dict[str, int]:
        return json.loads((self.directory / "processes.json").read_text())

    async def publish(self, topic: str, key: str, value: dict[str, Any], *headers: tuple[str, bytes]) -> None:
        """As the README shows it."""
        async with publishing(self.env["KAFKA_BOOTSTRAP_SERVERS"]) as producer:
            await producer.send_and_wait(
                topic, key=key.encode(), value=json.dumps(value).encode(), headers=list(headers)
            )

    async def record(self, record_id: str, *headers: tuple[str, bytes]) -> None:
        """Publish a record that asks for a coding and a summary."""
        record = {
            "tenant_id": FRAMEWORK["tenant_id"],
            "record_id": record_id,
            "content": "The borehole by the school gives no water at all.",
            "framework_id": FRAMEWORK["framework_id"],
        }
        await self.publish(RECORDS.name, record_id, record, *headers)

    async def answers(self, record_id: str) -> dict[str, Any]:
        """The two results of a record by topic, once they are there."""
        found = {}
        async with reading(self.env["KAFKA_BOOTSTRAP_SERVERS"], CODE_ASSIGNMENTS.name, SUMMARIES.name) as results:
            for topic in (CODE_ASSIGNMENTS.name, SUMMARIES.name):
                key = record_id.encode()
                [found[topic], *_] = await results.until(lambda m, t=topic, k=key: (m.topic, m.key) == (t, k))
        return found

    def ask(self, path: str, key: str) -> httpx.Response:
        """What the read API answers about all time."""
        headers = {"Authorization": f"Bearer {key}"}
        window = {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
        return httpx.get(self.env["FEEDBACK_API_URL"] + path, params=window, headers=headers)

    def calls(self) -> int:
        """How many LLM calls the read API counts, of all tenants; -1 while it cannot say."""
        try:
            answer = self.ask("/v1/usage/all/by-tenant", self.env["FEEDBACK_API_KEY"])
        except httpx.TransportError:
            return -1
        return answer.json()[-1]["llm_calls"]["total"] if answer.is_success else -1

    async def until_calls(self, count: int) -> None:
        """Return once the read API counts so many; it may take a moment until the latest are stored."""
        await eventually(lambda: self.calls() >= count)

    async def kill(self, *names: str) -> None:
        """`kill -9` some processes, by their ids; returns when each has a successor."""
        before = self.processes
        for name in names:
            os.kill(before[name], signal.SIGKILL)
        for name in names:
            await self.running.says(rf"(?m)^{name} died \(signal 9\).* - started again as process \d+$")
            after = self.processes[name]
            assert after != before[name]
            assert f"started again as process {after}" in self.running.out
            assert psutil.Process(after).is_running()


def three_free_ports() -> int:
    """The first of them; the others are the next. Below those that servers choose, who may be quicker."""
    while not all(map(ports.is_free, range(first := 14_000 + secrets.randbelow(5_000), first + 3))):
        pass
    return first


@pytest.fixture(scope="module")
async def up(tmp_path_factory):
    home = tmp_path_factory.mktemp("up")
    api_port, metrics_port = ports.choose(set()), three_free_ports()
    async with feedback("up", cwd=home, API_PORT=api_port, METRICS_PORT=metrics_port, **SETTINGS) as running:
        await running.says("Ctrl-C ends it")
        up = Up(running, home)
        key = f"{FRAMEWORK['tenant_id']}/{FRAMEWORK['framework_id']}"
        await up.publish(FRAMEWORKS.name, key, FRAMEWORK, ("ce_source", b"crm"))
        yield up


async def test_a_record_published_as_the_readme_shows_is_answered_and_counted(up):
    assert set(up.processes) == NAMES
    assert all(psutil.Process(pid).is_running() for pid in up.processes.values())
    assert set(up.env) == {"KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "FEEDBACK_API_URL", "FEEDBACK_API_KEY"}
    assert (up.directory / "env").stat().st_mode & 0o077 == 0

    headers = (("ce_source", b"crm"), ("ce_id", b"first-v1"))
    await up.record("first", *headers)
    answers = await up.answers("first")
    await up.until_calls(2)

    trace_id = identify(RECORDS.name, None, None, headers).trace_id
    for message in answers.values():
        written = {name: value.decode() for name, value in message.headers}
        assert set(written) == HEADERS
        result = json.loads(message.value)
        assert written["ce_id"] == result["result_id"]
        assert written["traceparent"].split("-")[1] == trace_id
        assert (written["content-type"], written["ce_specversion"]) == ("application/json", "1.0")
        assert (result["tenant_id"], result["record_id"]) == (FRAMEWORK["tenant_id"], "first")
    coding = json.loads(answers[CODE_ASSIGNMENTS.name].value)
    assert [step["id"] for step in coding["codes"][0]["path"]] == ["water", "water.supply", "water.supply.none"]
    assert coding["framework_version"] == FRAMEWORK["version"]


def test_it_says_where_each_process_serves_its_metrics(up):
    urls = dict(re.findall(r"(?m)^Metrics of (\S+): (\S+)$", up.running.out))
    assert set(urls) == {"consumer", "worker", "roller"}
    assert "feedback_inputs_finished_total" in httpx.get(urls["worker"]).text
    assert "feedback_store_waiting" in httpx.get(urls["consumer"]).text


async def test_what_the_consumer_stored_is_rolled_and_the_api_knows_its_lag(up):
    """Of whatever calls there are by now, and while nothing is marked."""
    url = dict(re.findall(r"(?m)^Metrics of (\S+): (\S+)$", up.running.out))["roller"]
    figures = re.compile(r"(?m)^feedback_usage_(days_rolled_total|marked_days) (\S+)$")

    def rolled() -> bool:
        found = dict(figures.findall(httpx.get(url).text))
        return float(found["days_rolled_total"]) > 0 and float(found["marked_days"]) == 0

    await eventually(rolled)

    def all_stored() -> bool:
        answer = up.ask("/v1/usage/all/by-tenant", up.env["FEEDBACK_API_KEY"])
        assert datetime.fromisoformat(answer.headers["feedback-as-of"]).tzinfo
        return answer.headers.get("feedback-lag") == "0"

    await eventually(all_stored)


async def test_whatever_dies_comes_back_and_the_next_record_is_answered(up):
    for names in (("worker", "consumer", "roller", "api"), ("postgres",), ("kafka",)):
        before = up.calls()
        await up.kill(*names)
        record_id = f"after-{names[0]}"
        await up.record(record_id)
        await up.answers(record_id)
        await up.until_calls(before + 2)
    assert set(up.processes) == NAMES


def test_keys_are_shown_once_listed_and_of_no_use_once_revoked(up, feedback_says):
    settings = {"DATABASE_URL": up.env["DATABASE_URL"], "COLUMNS": 80}
    plain, boss = (
        feedback_says("keys", "create", "--tenant", FRAMEWORK["tenant_id"], "--label", label, *more, **settings)
        for label, more in (("a dashboard", ()), ("the [bold]boss", ("--superuser",)))
    )
    assert (plain.code, boss.code) == (0, 0)
    key, boss_key = plain.out.strip(), boss.out.strip()
    prefix = key.split("_")[1]
    assert plain.err.endswith(f"feedback keys revoke {prefix}\n")
    assert key not in plain.err
    assert up.ask("/v1/usage", key).json()["tenant_id"] == FRAMEWORK["tenant_id"]
    assert up.ask("/v1/usage/all/by-tenant", key).status_code == 403
    assert up.ask("/v1/usage/all/by-tenant", boss_key).status_code == 200

    listed = feedback_says("keys", "list", **settings)
    assert listed.code == 0
    rows = [line.strip() for line in listed.out.splitlines()]
    tenant = re.escape(FRAMEWORK["tenant_id"])
    day = r"\d{4}-\d\d-\d\d"
    assert any(re.fullmatch(rf"{prefix} +{tenant} +no +a dashboard +{day} +-", row) for row in rows)
    assert any(re.search(rf" {tenant} +yes +the \[bold\]boss +{day} +-", row) for row in rows)
    assert max(map(len, rows)) <= 80
    assert key not in listed.out

    assert feedback_says("keys", "revoke", f"fbk_{prefix}...", **settings).code == 0
    for known_as in (prefix, f"fbk_{prefix}", key):
        revoked = feedback_says("keys", "revoke", known_as, **settings)
        assert (revoked.code, revoked.out) == (0, f"The key {prefix} is revoked.\n")
    assert prefix in feedback_says("keys", "list", **settings).out
    refused = up.ask("/v1/usage", key)
    assert (refused.status_code, boss_key in refused.text) == (401, False)
    assert up.ask("/v1/usage", boss_key).status_code == 200
    for nobodys in ("unknown", "abcdefghijkl"):
        feedback_says("keys", "revoke", nobodys, **settings).assert_one_sentence(nobodys, "`feedback keys list`")
    secret = key.split("_", 2)[2]
    for pasted in (secret, f"-{secret[1:]}", f"--{secret[2:]}"):
        ended = feedback_says("keys", "revoke", pasted, **settings)
        ended.assert_one_sentence("`feedback keys list`")
        assert pasted not in ended.err


async def test_a_second_one_on_the_same_directory_is_refused(up):
    others_servers = {name: up.env[name] for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL")}
    for servers in ({}, others_servers):
        async with feedback("up", cwd=up.directory.parent, **servers) as second:
            assert await second.ends() == 2
        by = f"process {up.running.process.pid}"
        assert re.fullmatch(rf"feedback: The data in .+ is in use by {by}\. Stop .+\n", second.errors)
        assert second.out == ""
    assert set(up.processes) == NAMES
    assert up.calls() > 0


async def test_killed_itself_it_leaves_nothing_behind(up):
    family = up.running.family()
    assert {*up.processes.values()} <= {process.pid for process in family}
    await up.running.ends(signal.SIGKILL)
    await until_gone(family)


@pytest.fixture
def usual_port_taken() -> Iterator[None]:
    """Somebody listens where the API would: this test, or whoever does so already."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", DEFAULT_API_PORT)))
        yield


async def test_started_again_it_has_its_data_and_sigterm_ends_all_of_it_in_order(up, usual_port_taken):
    async with feedback("up", cwd=up.directory.parent, **SETTINGS) as running:
        await running.says("Ctrl-C ends it")
        again = Up(running, up.directory.parent)
        taken = re.search(
            r"(?m)^Port 8080 is taken: .* port (\d+) this time\. Choose one with API_PORT\.$", running.out
        )
        assert taken
        assert again.env["FEEDBACK_API_URL"] == f"http://127.0.0.1:{taken[1]}"
        assert set(again.processes) == NAMES
        assert again.calls() >= 8  # two for each record so far
        family = running.family()
        assert {*again.processes.values()} <= {process.pid for process in family}
        assert await running.ends(signal.SIGTERM) == 0
        assert running.out.count("Stopping: what is in flight has 5 s (DRAIN_SECONDS) to finish") == 1
        await until_gone(family)
        assert not (again.directory / "env").exists()
        assert not (again.directory / "processes.json").exists()
        assert running.errors == ""
