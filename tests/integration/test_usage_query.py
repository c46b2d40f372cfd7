"""Questions about usage, asked of a running API on a real database: every format, every page, the command line."""

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from arro3.io import read_parquet
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.usage.roller import PostgresUsageRoller
from runtime.embedded import ports
from schemas.llm_calls import LLMCall
from tests.integration.system_support import feedback, until_ready
from tests.usage_support import llm_call, migrated_database

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
PATH = "/v1/usage/query"
COMMAND = "an operation with a long name, and =formula"


def calls() -> list[LLMCall]:
    """Sixty days of calls, 13 hours apart, of two tenants: some failed, some without a price."""
    found = []
    for number in range(110):
        at = OCTOBER + timedelta(hours=13 * number, minutes=7)
        failed, unpriced = number % 7 == 0, number % 5 == 0
        found.append(
            llm_call(
                tenant_id=("alder", "birch")[number % 2],
                operation=("assign_codes", "summarize", COMMAND)[number % 3],
                model=None if failed else ("=gpt", "llama")[number % 2],
                provider=("openai", "local")[number % 2],
                invocation_started_at=at,
                timestamp=at,
                call_duration_ms=50.0 + 37.5 * number,
                input_tokens=100 + number,
                output_tokens=None if failed else number,
                cost_usd=None if unpriced else Decimal(number) / 1000,
                status="error" if failed else "ok",
                error_class="timeout" if failed else None,
                prompt_version=(None, "assign_codes.v1")[number % 2],
            )
        )
    return found


@dataclass
class World:
    url: str
    client: httpx.AsyncClient
    engine: AsyncEngine
    tenant: str
    superuser: str

    async def ask(self, path: str = PATH, key: str | None = None, **parameters: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self.superuser}"}
        answer = await self.client.get(path, params=NOVEMBER | parameters, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer


@pytest.fixture(scope="module")
async def world(postgres, tmp_path_factory) -> AsyncIterator[World]:
    async with migrated_database(postgres.url) as (settings, engine):
        sink, roller = PostgresLLMCallSink(engine), PostgresUsageRoller(engine)
        stored = calls()
        await sink.write(stored[:90])
        while (rolled := await roller.roll()) and (rolled.days or rolled.weeks or rolled.months):
            pass
        await sink.write(stored[90:])  # these are read from raw rows
        keys, port = PostgresKeyStore(engine), ports.choose(set())
        url = f"http://127.0.0.1:{port}"
        directory = tmp_path_factory.mktemp("api")
        async with (
            feedback("api", cwd=directory, DATABASE_URL=settings.url, API_PORT=port),
            httpx.AsyncClient(base_url=url, timeout=60) as client,
        ):
            await until_ready(url)
            tenant = (await keys.create("alder")).text
            superuser = (await keys.create("headquarters", superuser=True)).text
            yield World(url, client, engine, tenant, superuser)


def flat(group: dict[str, Any], percentiles: list[str]) -> dict[str, Any]:
    """A group of JSON by the columns of a table."""
    found: dict[str, Any] = dict(group["keys"])
    for view in ("llm_calls", "invocations"):
        for name, value in group[view].items():
            if not isinstance(value, dict):
                found[f"{view}_{name}"] = value
                continue
            parts = {part: value[part] for part in ("avg", "min", "max", "total")}
            parts |= {f"p{one}": value["percentiles"][one] for one in percentiles}
            found |= {f"{view}_{name}_{part}": number for part, number in parts.items()}
    return found


async def test_every_format_gives_the_same_numbers(world):
    asked = {"group_by": "model,operation,week", "percentiles": "50,99.9", "zone": "Europe/Kyiv"}
    answers = {form: await world.ask(**asked, format=form) for form in ("json", "csv", "parquet")}

    groups = answers["json"].json()["groups"]
    lines = list(csv.DictReader(io.StringIO(answers["csv"].text)))
    table = read_parquet(io.BytesIO(answers["parquet"].content)).read_all()
    columns = {name: table.column(name).to_pylist() for name in table.schema.names}
    assert len(groups) == len(lines) == table.num_rows > 20
    assert {line["model"] for line in lines} >= {"'=gpt", "llama"}
    for number, (group, line) in enumerate(zip(groups, lines, strict=True)):
        assert (
            line["start"]
            == columns["start"][number].astimezone(datetime.fromisoformat(line["start"]).tzinfo).isoformat()
        )
        assert datetime.fromisoformat(group["start"]) == columns["start"][number]
        for name, value in flat(group, ["50", "99.9"]).items():
            cell = columns[name][number]
            if isinstance(cell, Decimal):
                assert (Decimal(line[name]), cell) == (Decimal(value), Decimal(value))
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                assert (float(line[name]), cell) == (value, value), name
            else:
                assert cell == value, name


async def test_groups_and_pages_add_up_though_calls_arrive_between_them(world):
    asked = {"group_by": "tenant,model,day", "limit": 17}
    whole = (await world.ask(**asked | {"limit": 10_000})).json()
    page = (await world.ask(**asked)).json()
    pages = [page]
    late = llm_call(tenant_id="cedar", timestamp=OCTOBER + timedelta(days=40), invocation_started_at=OCTOBER)
    await PostgresLLMCallSink(world.engine).write([late])
    try:
        while page["next_cursor"]:
            page = (await world.ask(**asked, cursor=page["next_cursor"])).json()
            pages.append(page)
        now = (await world.ask(**asked | {"limit": 10_000})).json()
    finally:
        async with world.engine.begin() as connection:
            await connection.exec_driver_sql("DELETE FROM llm_calls WHERE tenant_id = 'cedar'")

    groups = [group for page in pages for group in page["groups"]]
    assert groups == whole["groups"]
    assert len(pages) == -(-len(groups) // 17)
    assert len({json.dumps(page["total"], sort_keys=True) for page in (*pages, whole)}) == 1
    assert now["total"]["llm_calls"]["total"] == whole["total"]["llm_calls"]["total"] + 1
    for view in ("llm_calls", "invocations"):
        for name in ("total", "failed", "unpriced", "attempts"):
            assert sum(group[view][name] for group in groups) == whole["total"][view][name]
        for name in ("cost_usd", "failed_cost_usd"):
            assert sum(Decimal(group[view][name]) for group in groups) == Decimal(whole["total"][view][name])


def as_report(group: dict[str, Any]) -> dict[str, Any]:
    """A group of the query in the words of the fixed endpoints."""
    views = {}
    for view in ("llm_calls", "invocations"):
        views[view] = {
            name: group[view][name] for name in ("total", "failed", "unpriced", "cost_usd", "failed_cost_usd")
        }
        for name in ("duration_ms", "input_tokens", "output_tokens"):
            spread = group[view][name]
            views[view][name] = {part: spread[part] for part in ("avg", "min", "max", "total")}
            views[view][name] |= {f"p{one}": spread["percentiles"][one] for one in ("5", "50", "95")}
    return views


async def test_the_fixed_endpoints_are_presets_of_the_query(world):
    own = (await world.ask("/v1/usage", world.tenant)).json()
    queried = (await world.ask(key=world.tenant)).json()
    assert own == {"tenant_id": "alder", **NOVEMBER, **as_report(queried["total"])}
    assert (await world.ask(tenant="alder")).json()["total"] == queried["total"]

    for name, field in (("tenant", "tenant_id"), ("operation", "operation")):
        listed = (await world.ask(f"/v1/usage/all/by-{name}")).json()
        answer = (await world.ask(group_by=name)).json()
        expected = [{field: one["keys"][name], **NOVEMBER, **as_report(one)} for one in answer["groups"]]
        assert listed == [*expected, {field: None, **NOVEMBER, **as_report(answer["total"])}]
    ever = {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}
    assert (await world.ask("/v1/usage/all/by-tenant", **ever)).json()[-1]["llm_calls"]["total"] == len(calls())


async def test_a_filter_takes_several_values_and_what_has_none(world):
    def counted(answer: httpx.Response) -> int:
        return answer.json()["total"]["llm_calls"]["total"]

    everything, failed = counted(await world.ask()), counted(await world.ask(status="error"))
    assert 0 < failed < everything
    assert counted(await world.ask(status=["error", "ok"])) == everything
    assert counted(await world.ask(error_class="")) == everything - failed
    assert counted(await world.ask(error_class=["", "timeout"])) == everything
    assert counted(await world.ask(tenant="nobody")) == 0
    assert counted(await world.ask(operation=COMMAND, provider="local")) > 0


async def test_hours_of_a_day_on_which_the_clocks_are_set_back(world):
    day = {"from": "2026-11-01T00:00:00-04:00", "to": "2026-11-02T00:00:00-05:00"}
    page = (await world.ask(**day, group_by="hour", zone="America/New_York", compare="previous")).json()
    starts = [group["start"] for group in page["groups"]]
    assert len(starts) == len(set(starts)) == 25
    assert starts[1:3] == ["2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00"]
    assert page["groups"][-1]["previous"] is None
    assert datetime.fromisoformat(page["compared_with"]["from"]) == datetime(2026, 10, 31, 4, tzinfo=UTC)


async def test_the_period_before_is_what_its_own_question_says(world):
    october = {"from": "2026-10-01T00:00:00Z", "to": NOVEMBER["from"]}
    compared = (await world.ask(group_by="operation", compare="previous")).json()
    before = (await world.ask(group_by="operation", **october)).json()
    assert {k: v for k, v in compared["total"]["previous"].items() if k != "keys"} == {
        k: v for k, v in before["total"].items() if k != "keys"
    }
    by_name = {one["keys"]["operation"]: one for one in before["groups"]}
    for group in compared["groups"]:
        assert group["previous"]["llm_calls"] == by_name[group["keys"]["operation"]]["llm_calls"]


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
