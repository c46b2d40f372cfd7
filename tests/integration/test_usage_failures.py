"""What failures, retries and repeats cost, asked over HTTP of real rows, and held against their definitions."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from adapters.postgres.usage.failures import PostgresFailureAnswers
from domain.keys import NOBODY, Asker
from domain.usage.failures import FailureQuestion
from domain.usage.report import Window
from schemas.cloudevents import identify
from tests.builders import a_message, a_record
from tests.failures_model import defined, invocations, kinds, moments
from tests.integration.failures_support import DAY, PATH, World, a_run, a_world, an_app
from tests.integration.test_retention import KEPT_FROM, call, drop, history, month
from tests.usage_support import NOON

OF_DAY = Window(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))


@pytest.fixture(scope="module")
async def world(postgres) -> AsyncIterator[World]:
    async with a_world(postgres.url) as found:
        yield found


async def test_a_record_that_a_killed_worker_had_answered_is_a_repeat_and_has_its_price(world):
    """The same input is delivered twice, and each delivery is an invocation of its own."""
    message = a_message(a_record(), headers=())
    again = a_message(a_record(), headers=())
    traces = [identify(one.topic, one.key, one.value, one.headers).trace_id for one in (message, again)]
    other = identify("feedback.records", b"key", a_record(record_id="record-2").to_bytes(), ()).trace_id
    assert traces[0] == traces[1] != other
    minute = timedelta(minutes=1)
    await world.store(
        [
            *a_run(NOON, "ok", trace_id=traces[0]),
            *a_run(NOON, "ok", trace_id=traces[0], operation="summarize"),  # another operation on it is none
            *a_run(NOON + minute, "RateLimitedError", "InvalidOutputError", "ok", trace_id=traces[1]),
            *a_run(NOON + minute, "LLMTimeoutError", trace_id=other, record_id="record-2"),
            *a_run(NOON + 2 * minute, "ok", trace_id=other, record_id="record-2", cost_usd=None),  # a replay
            # What does not name its input, or names no more than the record of several results, is not told.
            *a_run(NOON, "ok", trace_id=None, record_id=None),
            *a_run(NOON + minute, "ok", record_id=None),
            *a_run(NOON, "ok", operation="judge"),
            *a_run(NOON + minute, "ok", operation="judge"),
        ]
    )

    answer = await world.told()

    by_name = {one["operation"]: one for one in answer["operations"]}
    assert list(by_name) == ["assign_codes", "judge", "summarize"]
    coded = by_name["assign_codes"]
    assert coded["llm_calls"] == {
        "total": 8,
        "cost_usd": "0.7",
        "failed": 3,
        "failed_cost_usd": "0.3",
        "failed_unpriced": 0,
    }
    assert (coded["invocations"]["total"], coded["invocations"]["failed"]) == (6, 1)
    assert coded["retries"] == {"invocations": 1, "calls": 2, "cost_usd": "0.2", "unpriced": 0}
    assert coded["repeats"] == {
        "invocations": 2,
        "calls": 4,
        "cost_usd": "0.3",
        "unpriced": 1,
        "after_an_answer": 1,
        "after_an_answer_cost_usd": "0.3",
        "not_told": 2,
    }
    assert by_name["summarize"]["repeats"]["invocations"] == 0
    assert (by_name["judge"]["repeats"]["invocations"], by_name["judge"]["repeats"]["not_told"]) == (0, 2)
    assert answer["total"]["repeats"]["not_told"] == 4
    assert [(kind["error_class"], kind["failed_calls"], kind["failed_invocations"]) for kind in answer["kinds"]] == [
        ("LLMTimeoutError", 1, 1),
        ("InvalidOutputError", 1, 0),
        ("RateLimitedError", 1, 0),
    ]
    assert {kind["model"] for kind in answer["kinds"]} == {"gpt-x"}
    assert (answer["tenants"], answer["window_is_default"]) == (None, False)
    assert answer["freshness"]["stored_until"] is not None


async def test_a_repeat_is_one_for_a_week_and_counts_in_its_own_window(world):
    week, second = timedelta(days=7), timedelta(seconds=1)
    await world.store(
        [
            *a_run(NOON - week, "ok", record_id="just"),
            *a_run(NOON, "ok", record_id="just"),
            *a_run(NOON - week - second, "ok", record_id="no longer"),
            *a_run(NOON, "ok", record_id="no longer"),
            *a_run(NOON, "ok", record_id="same trace, another record"),
            *a_run(NOON, "ok", record_id=None, request_id="just"),
            *a_run(NOON, "ok", record_id="just", tenant_id="birch"),
        ]
    )

    assert (await world.told())["total"]["repeats"]["invocations"] == 1
    before = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-20T00:00:00Z"}
    assert (await world.told(**before))["total"]["repeats"]["invocations"] == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    groups=st.lists(invocations(), max_size=10, unique_by=lambda calls: calls[0].invocation_id),
    edges=st.lists(moments, min_size=2, max_size=4, unique=True).map(sorted),
    tenant=st.sampled_from([None, "alder"]),
)
async def test_every_answer_is_what_the_definition_says_and_windows_add_up(world, groups, edges, tenant):
    await world.store([one for group in groups for one in group])
    named = {"tenant": tenant} if tenant else {}

    async def ask(start: datetime, end: datetime) -> dict[str, Any]:
        found = await world.told(**{"from": start.isoformat(), "to": end.isoformat()}, **named)
        assert found["total"] == defined(groups, start, end, tenant)
        for one in found["operations"]:
            own = [group for group in groups if group[0].operation == one["operation"]]
            assert one == defined(own, start, end, tenant) | {"operation": one["operation"]}
        told = {(kind.pop("operation"), kind.pop("model"), kind.pop("error_class")): kind for kind in found["kinds"]}
        assert told == kinds(groups, start, end, tenant)
        return found

    parts = [(await ask(start, end))["total"] for start, end in pairwise(edges)]
    whole = (await ask(edges[0], edges[-1]))["total"]
    for part in ("llm_calls", "invocations", "retries", "repeats"):
        for name, value in whole[part].items():
            assert sum(Decimal(one[part][name]) for one in parts) == Decimal(value), (part, name)


async def test_the_numbers_are_those_of_the_query(world):
    calls = [
        one
        for number in range(60)
        for one in a_run(
            NOON + timedelta(minutes=11 * number - 300),
            *(["E1", "E2"][: number % 3] + (["ok"] if number % 4 else ["E3"])),
            operation=("assign_codes", "summarize")[number % 2],
        )
    ]
    await world.store(calls)

    answer = await world.told()

    asked = await world.ask("/v1/usage/query", **DAY, group_by="operation")
    assert len(answer["operations"]) == 2
    for one, group in zip(answer["operations"], asked.json()["groups"], strict=True):
        for name in ("llm_calls", "invocations"):
            for number in ("total", "failed", "cost_usd", "failed_cost_usd"):
                assert one[name][number] == group[name][number], (name, number)
    assert answer["total"]["retries"]["calls"] == sum(one.attempt > 1 for one in calls) > 0


async def test_nobody_is_told_of_another_tenant(world):
    same = {"trace_id": "c" * 32, "record_id": "r"}
    await world.store(
        [
            *a_run(NOON, "ok", tenant_id="alder", **same),
            *a_run(NOON + timedelta(minutes=1), "ok", tenant_id="alder", **same),
            *a_run(NOON, "E", "ok", tenant_id="birch", **same),
        ]
    )
    for who, named, calls, repeats in (
        ("alder", {}, 2, 1),
        ("alder", {"tenant": "alder"}, 2, 1),
        ("birch", {}, 2, 0),
        ("hq", {}, 4, 1),
        ("hq", {"tenant": "birch"}, 2, 0),
        ("hq", {"tenant": ["alder", "birch"]}, 4, 1),
    ):
        total = (await world.told(who, **named))["total"]
        assert (total["llm_calls"]["total"], total["repeats"]["invocations"]) == (calls, repeats), (who, named)
    refused = await world.ask(PATH, "alder", **DAY, tenant="birch")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "superuser_required")
    # Were the condition on the tenant forgotten, the database's own would remain.
    answers = PostgresFailureAnswers(world.engine)
    assert (await answers.failures(FailureQuestion(OF_DAY), Asker("alder"))).total.llm_calls.total == 2
    assert (await answers.failures(FailureQuestion(OF_DAY), NOBODY)).total.llm_calls.total == 0


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"from": "2026-11-20T00:00:00"}, "missing_parameter"),
        (DAY | {"to": "2026-11-21T00:00:00"}, "naive_timestamp"),
        ({"from": DAY["to"], "to": DAY["from"]}, "reversed_window"),
        (DAY | {"from": "1066-10-14T00:00:00Z"}, "window_too_long"),
        (DAY | {"group_by": "operation"}, "unknown_parameter"),
        (DAY | {"to": ["2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"]}, "repeated_parameter"),
        (DAY | {"tenant": "\x00"}, "invalid_filter"),
    ],
)
async def test_what_cannot_be_meant_is_refused(world, asked, code):
    answer = await world.ask(PATH, **asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)


async def test_without_a_window_it_is_the_last_thirty_days(world):
    now = datetime.now(UTC)
    await world.store([*a_run(now - timedelta(days=29), "E", "ok"), *a_run(now - timedelta(days=31), "ok")])
    found = (await world.ask(PATH)).json()
    assert (found["window_is_default"], found["total"]["invocations"]["total"]) == (True, 1)


async def test_what_takes_too_long_is_given_up(world):
    transport = httpx.ASGITransport(an_app(world.engine, seconds=0.05))
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
        world.owner.begin() as connection,
    ):
        await connection.execute(text("LOCK TABLE llm_calls IN ACCESS EXCLUSIVE MODE"))
        answer = await client.get(PATH, params=DAY, headers={"Authorization": f"Bearer {world.keys['hq']}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "usage_backend_unavailable")


@pytest.fixture
async def old_world(postgres) -> AsyncIterator[World]:
    async with a_world(postgres.url) as found:
        yield found


async def test_dropped_months_are_refused_with_the_first_day_that_is_kept(old_world):
    world = old_world
    await world.store([*history(), call(KEPT_FROM + timedelta(days=1), tenant_id="hq")])
    asked = {"from": f"{month(3):%Y-%m-%dT%H:%M:%SZ}", "to": f"{month(0):%Y-%m-%dT%H:%M:%SZ}"}
    assert (await world.ask(PATH, "alder", **asked)).status_code == 200
    await drop(world.owner)
    answer = await world.ask(PATH, "alder", **asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "calls_dropped")
    assert f"{KEPT_FROM:%Y-%m-%d}" in answer.json()["error"]["message"]
    kept = asked | {"from": f"{KEPT_FROM:%Y-%m-%dT%H:%M:%SZ}"}
    assert (await world.ask(PATH, "alder", **kept)).status_code == 200
    # Of a tenant who had nothing there, nothing is missing.
    assert (await world.ask(PATH, "hq", **asked, tenant="hq")).json()["total"]["llm_calls"]["total"] == 1
