"""How `feedback run` ends where not all came: broken off, or given up; it keeps what it has and says so."""

import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.integration.run_support import a_file, environment_of_a_run
from tests.integration.system_support import eventually, feedback, json_lines, until_gone, until_members
from tests.llm_server import LLMServer, running_llm_server


@pytest.fixture
async def servers(system_kafka, fresh_database) -> dict[str, Any]:
    return environment_of_a_run(system_kafka, fresh_database)


async def test_broken_off_it_keeps_what_it_has_and_says_that_it_is_not_all(tmp_path, servers):
    """Without a framework it summarises. One record asks for a framework that does not come; somebody ends the run."""
    lines = [{"id": str(number), "content": f"Report {number}: the bridge is closed."} for number in range(12)]
    lines[5]["framework_id"] = "never-sent"
    out = tmp_path / "out"
    arguments = ("run", "--records", a_file(tmp_path / "records.jsonl", *lines), "--out", out)
    async with feedback(*arguments, cwd=tmp_path, **{**servers, "FRAMEWORK_WAIT_SECONDS": "600"}) as run:
        summaries = out / "summaries.jsonl"
        await eventually(lambda: summaries.exists() and len(json_lines(summaries)) == len(lines), 90)
        family = run.family()
        assert await run.ends(signal.SIGTERM) == 1
        await until_gone(family)

    assert {summary["record_id"] for summary in json_lines(summaries)} == {line["id"] for line in lines}
    assert (out / "code-assignments.jsonl").read_text() == ""
    numbers = run.last_line
    assert (numbers["records"], numbers["outcomes"], numbers["lost"], numbers["dead_letters"]) == (12, 11, 1, 0)
    assert re.search("^Stopping: what is in flight has 1 s to finish, then what this job started ends", run.out, re.M)
    assert "and usage.json is not written." in run.out
    # The Kafka is still there, and so are the records.
    assert "12 of 12 records are on Kafka, where workers still answer them" in run.out
    assert "paid for, once more" in run.out
    assert "Traceback" not in run.out + run.errors


@pytest.mark.long
async def test_it_gives_up_where_nothing_comes_any_more(tmp_path, servers):
    """Two records of one id, each with its result; a third waits for a framework that does not come."""
    lines = [{"id": "same", "content": f"Report {number}: the bridge is closed."} for number in (1, 2)]
    lines.append({"id": "waits", "content": "The well is dry.", "framework_id": "never-sent"})
    out = tmp_path / "out"
    arguments = ("run", "--records", a_file(tmp_path / "records.jsonl", *lines), "--out", out, "--give-up-after", 25)
    async with feedback(*arguments, cwd=tmp_path, **{**servers, "FRAMEWORK_WAIT_SECONDS": "600"}) as run:
        assert await run.ends(seconds=90) == 1, run.out + run.errors

    assert run.last_line == {
        "records": 3, "outcomes": 2, "lost": 1, "dead_letters": 0, "llm_calls": 3, "rows": 3
    }  # fmt: skip
    repeated, gave_up = run.errors.splitlines()
    assert repeated.startswith("feedback: 1 record id stands on more than one line: same (lines 1, 2).")
    assert gave_up.startswith("feedback: Gave up: for 25 seconds no new outcome came, so 1 of 3 records have none.")
    assert "--give-up-after" in gave_up
    ids = [summary["record_id"] for summary in json_lines(out / "summaries.jsonl")]
    assert sorted(ids) == ["same", "same", "waits"]
    assert len({summary["result_id"] for summary in json_lines(out / "summaries.jsonl")}) == 3
    assert json.loads((out / "usage.json").read_text())["by_tenant"][-1]["llm_calls"]["total"] == 3


@pytest.mark.long
async def test_a_database_that_is_away_for_a_while_costs_nothing(tmp_path, servers, postgres):
    """From before the first call has ended until all outcomes are there; the consumer waits for it, so does the run,
    which has asked for the first call's row meanwhile.
    """
    lines = [{"id": seconds, "content": f"A report. [[slow:{seconds}]]"} for seconds in ("3", "4", "6")]
    out, home = tmp_path / "out", tmp_path / ".feedback"
    arguments = ("run", "--records", a_file(tmp_path / "records.jsonl", *lines), "--out", out, "--give-up-after", 60)

    def felt() -> bool:
        """All outcomes are there, and the consumer could not store their calls."""
        logs = "".join(log.read_text() for log in home.glob("job-*/logs/consumer.log"))
        return " WARNING consumers." in logs and len(json_lines(out / "summaries.jsonl")) == len(lines)

    async with running_llm_server(LLMServer()) as provider:
        model = {"LLM_MODEL": "openai/gpt-4o-mini", "LLM_API_KEY": "k", "LLM_API_BASE": provider.base_url}
        async with feedback(*arguments, cwd=tmp_path, **servers, **model) as run:
            await run.says("published 3/3")
            await until_members(servers["KAFKA_BOOTSTRAP_SERVERS"], servers["CONSUMER_GROUP"])
            async with closed_database(postgres.url, servers["DATABASE_URL"]):
                await eventually(felt)
            assert await run.ends(seconds=90) == 0, run.out + run.errors

    assert run.last_line == {
        "records": 3, "outcomes": 3, "lost": 0, "dead_letters": 0, "llm_calls": 3, "rows": 3
    }  # fmt: skip
    assert json.loads((out / "usage.json").read_text())["by_tenant"][-1]["llm_calls"]["total"] == 3
    assert run.errors == ""


@asynccontextmanager
async def closed_database(server_url: str, url: str) -> AsyncIterator[None]:
    """Within the block nobody is, or gets, connected to this database."""
    name = url.rpartition("/")[2]
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        yield
    finally:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await connection.close()
