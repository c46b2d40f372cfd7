"""`feedback usage` beside a running API: a table, JSON and CSV passed on, mistakes in one line."""

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.query_support import NOVEMBER, World, a_world


@pytest.fixture(scope="module")
async def world(postgres, tmp_path_factory) -> AsyncIterator[World]:
    async with a_world(postgres.url, tmp_path_factory.mktemp("api")) as found:
        yield found


@pytest.fixture
def usage_says(world, feedback_says) -> Callable[..., Awaitable[Any]]:
    """Runs `feedback usage` beside the API."""

    async def says(*arguments: object, **environment: str) -> Any:
        given = {"FEEDBACK_API_URL": world.url, "FEEDBACK_API_KEY": world.superuser} | environment
        return await asyncio.to_thread(feedback_says, "usage", *arguments, **given)

    return says


WINDOW = ("--from", NOVEMBER["from"], "--to", NOVEMBER["to"])


async def test_the_command_prints_a_table_and_cuts_no_name_in_a_pipe(world, usage_says):
    said = await usage_says(*WINDOW, "--group-by", "operation,model", "--view", "invocations")
    answer = (await world.ask(group_by="operation,model")).json()

    assert (said.code, said.err) == (0, ""), said
    lines = [line.strip() for line in said.out.splitlines()]
    for group in answer["groups"]:
        name = " / ".join(value or "(none)" for value in group["keys"].values())
        assert sum(line.startswith(f"{name} ") for line in lines) == 1
    assert "Invocations from 2026-11-01 00:00 UTC to 2026-12-01 00:00 UTC" in lines[0]
    total = next(line.split() for line in lines if line.startswith("total"))
    counted = answer["total"]["invocations"]
    assert (total[1], total[3]) == (str(counted["total"]), str(counted["failed"]))
    assert total[4] == f"${Decimal(counted['cost_usd']):.2f}"
    assert re.search(r" [+-]\d+% ", said.out)
    assert re.search(r"Cost per day: [ ▁▂▃▄▅▆▇█]{30}  most: \$0\.\d+ \(2026-11-\d\d\)", said.out)
    assert f"a lower bound: of {counted['unpriced']} of {counted['total']} it is not, or not wholly, known." in said.out
    # There is no consumer here, and November's calls were stored just now.
    late = f"{answer['freshness']['late']} LLM calls were stored late."
    unknown = r"UTC\. How much is not stored yet is not known\. " + re.escape(late)
    assert re.search(rf"As of \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d {unknown}$", " ".join(lines).rstrip())


async def test_the_command_passes_json_and_csv_on(world, usage_says):
    asked = (*WINDOW, "--group-by", "operation,day", "--zone", "Europe/Kyiv", "--tenant", "alder", "--no-compare")
    parameters = {"group_by": "operation,day", "zone": "Europe/Kyiv", "tenant": "alder"}

    as_json = await usage_says(*asked, "--format", "json", "--limit", "3")
    as_csv = await usage_says(*asked, "--format", "csv")

    page = (await world.ask(**parameters, limit=3)).json()
    told = json.loads(as_json.out)
    assert (told["groups"], told["total"]) == (page["groups"], page["total"])
    further = await usage_says(*asked, "--format", "json", "--limit", "3", "--cursor", told["next_cursor"])
    assert json.loads(further.out)["groups"][0] not in page["groups"]
    expected = list(csv.DictReader(io.StringIO((await world.ask(**parameters, format="csv")).text)))
    found = list(csv.DictReader(io.StringIO(as_csv.out)))
    assert [line | {"as_of": ""} for line in found] == [line | {"as_of": ""} for line in expected]


async def test_mistakes_at_the_command_are_one_line(world, usage_says):
    cases = [
        (("--zone", "Mars/Olympus"), {}, ("`zone` takes", "`feedback usage --help`")),
        (("--group-by", "colour"), {}, ("`group_by` takes a comma list",)),
        (("--from", "2026-11-01"), {}, ("`to` is missing",)),
        (("--format", "csv", "--limit", "3"), {}, ("`csv` holds all groups",)),
        (("--format", "csv", "--cursor", "x"), {}, ("--cursor is for --format json",)),
        (("--format", "xlsx"), {}, ("json", "csv")),
        (("--tenant", "birch"), {"FEEDBACK_API_KEY": world.tenant}, ("superuser",)),
        ((), {"FEEDBACK_API_KEY": "fbk_nonsense"}, ("not known", "`feedback keys create`")),
        ((), {"FEEDBACK_API_KEY": "nön\nsense"}, ("FEEDBACK_API_KEY is not an API key",)),
        (("--percentiles", "50"), {}, ("--format json",)),
        ((), {"FEEDBACK_API_KEY": ""}, ("FEEDBACK_API_KEY is not set",)),
        ((), {"FEEDBACK_API_URL": ""}, ("FEEDBACK_API_URL is not set", "`feedback up`")),
        ((), {"FEEDBACK_API_URL": "nowhere"}, ("not an address", "http://127.0.0.1:8080")),
        ((), {"FEEDBACK_API_URL": "http://127.0.0.1:1"}, ("http://127.0.0.1:1 does not answer",)),
        ((), {"FEEDBACK_API_URL": f"{world.url}/docs"}, ("not the read API",)),
    ]
    for arguments, environment, words in cases:
        said = await usage_says(*arguments, **environment)
        said.assert_one_sentence(*words)
        assert "fbk_" not in said.err
