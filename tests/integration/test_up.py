"""`feedback up`: the whole system from nothing, kept alive whatever dies under it, and gone when it is told to go."""

import json
import os
import re
import shlex
import signal
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from schemas.cloudevents import identify
from schemas.topics import CODE_ASSIGNMENTS, FRAMEWORKS, RECORDS, SUMMARIES
from tests.integration.system_support import ROOT, Running, eventually, feedback, publishing, reading, until_gone

FRAMEWORK = json.loads((ROOT / "samples" / "frameworks" / "red-river-relief.json").read_text())
NAMES = {"kafka", "postgres", "consumer", "worker", "api"}
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

    async def calls(self) -> int:
        """How many LLM calls the read API counts; it may take a moment until the latest are stored."""
        headers = {"Authorization": f"Bearer {self.env['FEEDBACK_API_KEY']}"}
        window = {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
        async with httpx.AsyncClient(base_url=self.env["FEEDBACK_API_URL"], headers=headers) as client:
            assert (await client.get("/v1/usage", params=window)).json()["llm_calls"]["total"] == 0  # its own tenant's
            by_tenant = (await client.get("/v1/usage/all/by-tenant", params=window)).json()
        return by_tenant[-1]["llm_calls"]["total"]

    async def until_calls(self, count: int) -> None:
        """Return once the read API counts so many."""

        async def enough() -> bool:
            return await self.calls() >= count

        await eventually(enough)

    async def kill(self, name: str) -> None:
        """`kill -9` one process, by its id; returns when it has a successor."""
        before = self.processes[name]
        os.kill(before, signal.SIGKILL)
        await self.running.says(rf"(?m)^{name} died \(signal 9\).* - started again as process \d+$")
        after = self.processes[name]
        assert after != before
        assert f"started again as process {after}" in self.running.out
        assert psutil.Process(after).is_running()


@pytest.fixture(scope="module")
async def up(tmp_path_factory):
    home = tmp_path_factory.mktemp("up")
    async with feedback("up", cwd=home, KAFKA_TOPIC_PARTITIONS=2, DRAIN_SECONDS=5) as running:
        await running.says("Ctrl-C ends it", 90)
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


async def test_whatever_dies_comes_back_and_the_next_record_is_answered(up):
    for name in ("worker", "consumer", "postgres", "kafka"):
        before = await up.calls()
        await up.kill(name)
        await up.record(f"after-{name}")
        await up.answers(f"after-{name}")
        await up.until_calls(before + 2)
    assert set(up.processes) == NAMES


async def test_a_second_one_on_the_same_directory_is_refused(up):
    async with feedback("up", cwd=up.directory.parent) as second:
        assert await second.ends() == 2
    assert re.fullmatch(r"feedback: The data in .+ is in use by process \d+\. Stop .+\n", second.errors)
    assert set(up.processes) == NAMES
    assert await up.calls() > 0


async def test_sigterm_ends_all_of_it_in_order(up):
    family = up.running.family()
    assert {*up.processes.values()} <= {process.pid for process in family}
    assert await up.running.ends(signal.SIGTERM, 30) == 0
    await until_gone(family, 1)
    assert not (up.directory / "env").exists()
    assert not (up.directory / "processes.json").exists()
    assert up.running.errors == ""


async def test_killed_itself_it_leaves_nothing_behind(tmp_path):
    async with feedback("up", cwd=tmp_path) as running:
        up = Up(running, tmp_path)
        await running.says("Starting worker", 90)
        await eventually(lambda: (up.directory / "processes.json").exists() and "worker" in up.processes)
        family = running.family()
        assert {"kafka", "postgres", "consumer", "worker"} <= set(up.processes)
        assert {*up.processes.values()} <= {process.pid for process in family}
        await running.ends(signal.SIGKILL)
        await until_gone(family)
