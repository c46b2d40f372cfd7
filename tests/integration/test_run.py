"""`feedback run`: a person's files in, results and usage out, with worker and consumer as processes of their own."""

import json
import re
from collections import Counter
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.migrate import is_current
from adapters.postgres.usage.reader import PostgresUsageAnswers
from api.app import create_app
from tests.integration.run_support import a_file, environment_of_a_run
from tests.integration.system_support import ROOT, feedback, json_lines, members
from tests.llm_server import LLMServer, running_llm_server

FRAMEWORKS = [ROOT / "samples" / "frameworks" / f"{tenant}.json" for tenant in ("red-river-relief", "harbour-aid")]
RESULT_FILES = {"code-assignments", "summaries", "dead-letters", "analyses", "sensitivity"}
CANARY = "canary-7c1f"


@pytest.fixture
async def servers(system_kafka, fresh_database) -> dict[str, Any]:
    return environment_of_a_run(system_kafka, fresh_database)


@pytest.fixture
async def provider():
    async with running_llm_server(LLMServer()) as server:
        yield server


def model_of(provider: LLMServer, **more: str) -> dict[str, str]:
    """Settings to ask for a model at the local provider."""
    return {
        "LLM_API_BASE": provider.base_url,
        "LLM_API_KEY": f"sk-{CANARY}",
        **more,
    }


def framework_options() -> list[object]:
    return [word for file in FRAMEWORKS for word in ("--framework", file)]


async def test_a_file_becomes_results_and_usage(tmp_path, servers):
    """With the offline model: two tenants, a third without a framework, one record that cannot be answered."""
    records = a_file(
        tmp_path / "records.jsonl",
        {"id": "w1", "tenant_id": "red-river-relief", "content": "The borehole by the school gives no water at all."},
        {"id": "h1", "tenant_id": "harbour-aid", "content": "How can I renew my registration document?", "labels": [1]},
        {"id": "b1", "tenant_id": "harbour-aid", "content": " \n "},
        {"id": "n1", "content": "Thank you for the blankets.", "created": "2026-03-01", "eval": {"code": "x"}},
    )
    out = tmp_path / "out"
    arguments = ("run", "--records", records, *framework_options(), "--out", out)
    async with feedback(*arguments, cwd=tmp_path, **servers) as run:
        assert await run.ends(seconds=90) == 0, run.out + run.errors

    assert run.last_line == {
        "records": 4, "outcomes": 4, "lost": 0, "dead_letters": 1, "llm_calls": 5, "rows": 5
    }  # fmt: skip
    assert {file.stem for file in out.iterdir()} == RESULT_FILES | {"usage"}
    codings = {coding["record_id"]: coding for coding in json_lines(out / "code-assignments.jsonl")}
    assert set(codings) == {"w1", "h1"}
    assert codings["w1"]["codes"][0]["code_id"] == "water.supply.none"
    assert codings["w1"]["framework_version"] == json.loads(FRAMEWORKS[0].read_text())["version"]
    summaries = {summary["record_id"]: summary["tenant_id"] for summary in json_lines(out / "summaries.jsonl")}
    assert summaries == {"w1": "red-river-relief", "h1": "harbour-aid", "n1": "default"}
    [letter] = json_lines(out / "dead-letters.jsonl")
    assert (letter["tenant_id"], letter["reason"], letter.get("operation")) == ("harbour-aid", "blank_content", None)

    usage = json.loads((out / "usage.json").read_text())
    assert [(one["tenant_id"], one["llm_calls"]["total"]) for one in usage["by_tenant"]] == [
        ("default", 1),
        ("harbour-aid", 2),
        ("red-river-relief", 2),
        (None, 5),
    ]
    assert [one["operation"] for one in usage["by_operation"]] == ["assign_codes", "summarize", None]
    assert "w1" in run.out
    assert re.search("^published 4/4, coded 2, summarised 3, dead-lettered 1, LLM calls stored 5/5$", run.out, re.M)
    [notice] = run.errors.splitlines()
    assert "1 of 4 records are summarised but not coded" in notice
    assert "(default: 1), only for red-river-relief, harbour-aid" in notice
    for group in ("WORKER_GROUP", "CONSUMER_GROUP"):  # the next run need not wait until this one is missed
        assert (await members(servers["KAFKA_BOOTSTRAP_SERVERS"], servers[group]))[1] == 0


def difficult_records() -> list[dict[str, Any]]:
    """Records that the provider answers well, late, badly, wrongly or not at all; each with secrets beside it."""
    markers = [
        *[""] * 12,
        *["[[fail:500x1]]", "[[fail:503x2]]", "[[ratelimit:0.1x1]]", "[[ratelimit-date:1x1]]"],
        *["[[slow:0.6]]", "[[hangx1]]", "[[html:502x1]]"],
        *["[[invalid-jsonx1]]", "[[unknown-idx1]]", "[[fenced]]", "[[null-contentx1]]", "[[empty-choicesx1]]"],
        *["[[no-usage]]", "[[absurd-usage:negative]]", "[[cached:40]]", "[[reasoning:7]]", "[[gzip]]"],
        *["[[invalid-json]]", "[[fail:400]]"],
    ]
    return [
        {
            "id": f"r{number}",
            "tenant_id": ("red-river-relief", "harbour-aid")[number % 2],
            "content": f"Report {number}: the water point is broken. {marker}",
            "metadata": {"phone": CANARY, CANARY: True},
            "labels": [CANARY],
            "expected_code": CANARY,
            "eval": {"stratum": CANARY},
        }
        for number, marker in enumerate(markers)
    ]


@pytest.mark.long
async def test_the_books_equal_the_providers_own(tmp_path, servers, provider):
    """Point for point: calls by status, tokens, money; in the table, by SQL, and from the read API. Of two workers."""
    records = difficult_records()
    out = tmp_path / "out"
    file = a_file(tmp_path / "records.jsonl", *records)
    arguments = ("run", "--records", file, *framework_options(), "--out", out, "--workers", 2)
    arguments += ("--model", "openai/gpt-4o-mini")  # whose price is known
    environment = {**servers, **model_of(provider, LLM_ATTEMPT_TIMEOUT_SECONDS="3")}
    async with feedback(*arguments, cwd=tmp_path, **environment) as run:
        assert await run.ends(seconds=90) == 0, run.out + run.errors

    served = provider.tally
    numbers = run.last_line
    assert numbers["records"] == numbers["outcomes"] == len(records)
    assert numbers["llm_calls"] == numbers["rows"] == served.attempts > 2 * len(records)
    letters = Counter((letter["reason"], letter["operation"]) for letter in json_lines(out / "dead-letters.jsonl"))
    bad = ("invalid_output", "provider_refused")
    assert letters == {(reason, operation): 1 for reason in bad for operation in ("assign_codes", "summarize")}
    assert numbers["dead_letters"] == letters.total()
    assert len(json_lines(out / "code-assignments.jsonl")) == len(records) - 2
    assert len(json_lines(out / "summaries.jsonl")) == len(records) - 2

    assert await booked(servers["DATABASE_URL"]) == {
        "attempts": served.attempts,
        "by_status": {status: n for status, n in served.by_status.items() if status} | {None: served.abandoned},
        "by_task": dict(served.by_task),
        "input_tokens": served.input_tokens,
        "output_tokens": served.output_tokens,
        "cached_tokens": served.cached_tokens,
        "reasoning_tokens": served.reasoning_tokens,
        "cost_usd": served.cost_usd,
    }
    assert served.cost_usd > 0
    assert served.abandoned >= 2

    usage = json.loads((out / "usage.json").read_text())
    by_tenant, by_operation = await asked_of_the_api(servers["DATABASE_URL"], usage["from"], usage["to"])
    assert_alike([usage["by_tenant"], usage["by_operation"]], [by_tenant, by_operation])
    assert usage["from"].endswith("Z")
    total = by_tenant[-1]["llm_calls"]
    assert (total["total"], Decimal(total["cost_usd"])) == (served.attempts, served.cost_usd)
    assert by_tenant[-1]["invocations"]["total"] == 2 * len(records)

    asked = json.dumps([seen.body for seen in provider.requests])
    assert len(provider.requests) == served.attempts
    assert CANARY not in asked
    for name in ("worker-1", "worker-2"):
        log = (tmp_path / ".feedback" / "last-job-logs" / f"{name}.log").read_text()
        assert re.search(r"assigned partitions: .*feedback\.records/\d", log), log
    written = b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file() and path != file)
    assert f"sk-{CANARY}".encode() not in written
    logs = b"".join(path.read_bytes() for path in (tmp_path / ".feedback").rglob("*.log"))
    assert b"the water point is broken" not in logs + run.errors.encode()


def assert_alike(told: Any, expected: Any, name: str = "") -> None:
    """A run's file, which is exact, beside the read API, whose percentiles come from sketches: within 1 %.

    The API counts durations in whole microseconds, and the file has three decimals of a millisecond.
    """
    if isinstance(expected, dict):
        assert list(told) == list(expected)
        for key, value in expected.items():
            assert_alike(told[key], value, key)
    elif isinstance(expected, list):
        for one, other in zip(told, expected, strict=True):
            assert_alike(one, other, name)
    elif isinstance(expected, float):
        assert told == pytest.approx(expected, rel=0.0101 if name in ("p5", "p50", "p95") else 1e-6, abs=2e-3), name
    else:
        assert told == expected, name


async def booked(database_url: str) -> dict[str, Any]:
    """What the table says, in the provider's words."""
    connection = await asyncpg.connect(database_url)
    try:
        sums = await connection.fetchrow(
            "SELECT count(*) AS attempts, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, "
            "sum(cache_read_input_tokens) AS cached_tokens, sum(reasoning_output_tokens) AS reasoning_tokens, "
            "sum(cost_usd) AS cost_usd FROM llm_calls"
        )
        by_status = await connection.fetch("SELECT http_status, count(*) FROM llm_calls GROUP BY 1")
        by_task = await connection.fetch("SELECT operation, count(*) FROM llm_calls GROUP BY 1")
    finally:
        await connection.close()
    return {**sums, "by_status": dict(map(tuple, by_status)), "by_task": dict(map(tuple, by_task))}


async def asked_of_the_api(database_url: str, start: str, end: str) -> tuple[Any, Any]:
    """What the read API answers a superuser about a window: by tenant, by operation."""
    engine = create_engine(DatabaseSettings(url=database_url))
    try:
        keys = PostgresKeyStore(engine)
        app = create_app(PostgresUsageAnswers(engine), keys, lambda: is_current(engine))
        headers = {"Authorization": f"Bearer {(await keys.create('hq', superuser=True)).text}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            answers = [
                await client.get(f"/v1/usage/all/{by}", params={"from": start, "to": end}, headers=headers)
                for by in ("by-tenant", "by-operation")
            ]
    finally:
        await engine.dispose()
    return answers[0].json(), answers[1].json()


def lines_like_an_archives(count: int) -> list[dict[str, Any]]:
    """Records as an organisation's archive has them: more keys than ours, labels among them, in several languages."""
    contents = (
        "Caller asks whether the vaccine is safe for her children.\nOperator gave the ministry's answer.",
        "Les gens disent que le point d'eau est fermé depuis lundi.",
        "La comunidad agradece la visita del equipo de salud.",
        "يسأل المتصل عن مكان توزيع الأغطية في المخيم.",
        "Мешканці питають, коли відкриють пункт допомоги.",
    )
    return [
        {
            "id": f"doc-{number:04}",
            "content": f"{contents[number % len(contents)]} ({number})",
            "metadata": {
                "dataset": "COVID-19",
                "feedback_type": "Question",
                "region": "Nord",
                "year": 2020,
                "sensitive": False,
                "codes": CANARY,
                "created": "2020-10-17",
                "sentence_count": 3,
            },
            "eval": {"stratum": "other", "cluster": number % 7},
        }
        for number in range(count)
    ]


@pytest.mark.long
async def test_an_archives_first_hundred_lines_are_summarised_and_screened_where_only_that_is_asked(tmp_path, servers):
    """There is a framework, and it is not used."""
    lines = lines_like_an_archives(100)
    file = a_file(tmp_path / "records.jsonl", *lines)
    framework = json.loads(FRAMEWORKS[0].read_text())
    bare = tmp_path / "framework.json"
    bare.write_text(json.dumps({"root_codes": framework["root_codes"]}))
    out = tmp_path / "out"
    asked = ("--operations", "summarize,detect_sensitive")
    arguments = ("run", "--records", file, "--framework", bare, *asked, "--out", out)
    async with feedback(*arguments, cwd=tmp_path, **servers) as run:
        assert await run.ends(seconds=90) == 0, run.out + run.errors

    assert run.last_line == {
        "records": 100, "outcomes": 100, "lost": 0, "dead_letters": 0, "llm_calls": 200, "rows": 200
    }  # fmt: skip
    summaries = (out / "summaries.jsonl").read_text()
    assert {summary["record_id"] for summary in json_lines(out / "summaries.jsonl")} == {line["id"] for line in lines}
    screenings = json_lines(out / "sensitivity.jsonl")
    assert {screening["record_id"] for screening in screenings} == {line["id"] for line in lines}
    assert all(screening["sensitive"] == bool(screening["findings"]) for screening in screenings)
    assert re.search("^published 100/100, coded 0, summarised 100, screened 100, ", run.out, re.M)
    assert (out / "code-assignments.jsonl").read_text() == (out / "dead-letters.jsonl").read_text() == ""
    assert CANARY not in summaries
