"""Questions about usage, asked of a running API on a real database: every format, every page."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from arro3.io import read_parquet

from adapters.postgres.llm_calls import PostgresLLMCallSink
from tests.integration.query_support import COMMAND, NOVEMBER, OCTOBER, World, a_world, calls
from tests.usage_support import llm_call


@pytest.fixture(scope="module")
async def world(postgres, tmp_path_factory) -> AsyncIterator[World]:
    async with a_world(postgres.url, tmp_path_factory.mktemp("api")) as found:
        yield found


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
