"""The usage routes: who may ask what, and how a window is written."""

from datetime import datetime, timedelta, timezone

import pytest

from domain.errors import UsageUnavailableError
from domain.usage.freshness import Freshness
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window
from tests.unit.api.support import AS_OF, NOVEMBER, WINDOW, Rig, answer_of, told

ALL = ("/v1/usage/all/by-tenant", "/v1/usage/all/by-operation")


@pytest.fixture
async def rig():
    rig = Rig()
    rig.tenant = (await rig.keys.create("red-cross")).text
    rig.superuser = (await rig.keys.create("headquarters", superuser=True)).text
    async with rig.client:
        yield rig


async def test_a_caller_is_told_the_usage_of_the_tenant_of_the_key(rig):
    answer = await rig.get("/v1/usage", rig.tenant, params=WINDOW)

    assert answer.status_code == 200
    assert rig.usage.asked == [UsageQuestion(NOVEMBER, filters={"tenant": ("red-cross",)})]
    body = answer.json()
    assert list(body) == ["tenant_id", "from", "to", "llm_calls", "invocations"]
    assert (body["tenant_id"], body["from"], body["to"]) == ("red-cross", WINDOW["from"], WINDOW["to"])
    assert (body["llm_calls"]["total"], body["llm_calls"]["cost_usd"]) == (1, "0")
    assert body["llm_calls"]["duration_ms"]["p95"] is None


@pytest.mark.parametrize(("lag", "said"), [(None, None), (0, "0"), (12, "12")])
async def test_every_answer_says_how_fresh_it_is(rig, lag, said):
    for path in ("/v1/usage", *ALL, "/v1/usage/query"):
        rig.usage.given = [
            answer_of("a", dimension=path.rpartition("by-")[2]).model_copy(update={"freshness": Freshness(lag=lag)})
        ]
        answer = await rig.get(path, rig.superuser, params=WINDOW)
        assert answer.status_code == 200
        assert answer.headers["Feedback-As-Of"] == AS_OF.isoformat()
        assert answer.headers.get("Feedback-Lag") == said


async def test_a_superuser_reads_the_lists_with_the_grand_total_last(rig):
    by_tenant, by_operation = [await rig.get(path, rig.superuser, params=WINDOW) for path in ALL]

    assert [one["tenant_id"] for one in by_tenant.json()] == ["a", "b", None]
    assert [one["operation"] for one in by_operation.json()] == ["a", "b", None]
    assert rig.usage.asked == [UsageQuestion(NOVEMBER, ("tenant",)), UsageQuestion(NOVEMBER, ("operation",))]


@pytest.mark.parametrize("path", ALL)
async def test_the_lists_are_for_superusers(rig, path):
    assert told(await rig.get(path, rig.tenant, params=WINDOW)) == (403, "superuser_required")
    assert told(await rig.get(path, params=WINDOW)) == (401, "missing_key")
    assert rig.usage.asked == []


async def test_keys_that_do_not_open(rig):
    other = (await rig.keys.create("other")).text
    await rig.keys.revoke(other.split("_")[1])
    mixed = "_".join([*rig.tenant.split("_", 2)[:2], other.split("_", 2)[2]])

    cases = {"nonsense": "invalid_key", mixed: "invalid_key", other: "revoked_key", rig.tenant + "a": "invalid_key"}
    for key, code in cases.items():
        answer = await rig.get("/v1/usage", key, params=WINDOW)
        assert told(answer) == (401, code)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    for header in ("Basic abc", "Bearer", rig.tenant):
        answer = await rig.get("/v1/usage", headers={"Authorization": header}, params=WINDOW)
        assert told(answer) == (401, "missing_key")
    assert rig.usage.asked == []


@pytest.mark.parametrize(
    ("window", "code"),
    [
        ({}, "missing_parameter"),
        ({"from": WINDOW["from"]}, "missing_parameter"),
        (WINDOW | {"to": ""}, "invalid_timestamp"),
        (WINDOW | {"from": "yesterday"}, "invalid_timestamp"),
        (WINDOW | {"from": "2026-13-01T00:00:00Z"}, "invalid_timestamp"),
        (WINDOW | {"from": "0001-01-01T00:00:00+14:00"}, "invalid_timestamp"),
        (WINDOW | {"from": "2026-11-01T00:00:00"}, "naive_timestamp"),
        (WINDOW | {"from": "2026-11-01"}, "invalid_timestamp"),
        (WINDOW | {"from": "2026-05-05x10:00:00Z"}, "invalid_timestamp"),
        (WINDOW | {"from": "2026-05-05T10:00:00Z\x00"}, "invalid_timestamp"),
        (WINDOW | {"from": "2026-W18-2T10:00:00Z"}, "invalid_timestamp"),
        (WINDOW | {"from": "2026-05-05T10:00:00+02:00:30"}, "invalid_timestamp"),
        (WINDOW | {"from": [WINDOW["from"], WINDOW["from"]]}, "repeated_parameter"),
        (WINDOW | {"to": ["x", WINDOW["to"]]}, "repeated_parameter"),
        (WINDOW | {"tenant": "another"}, "unknown_parameter"),
        (WINDOW | {"from": "2026-11-01 02:00"}, "naive_timestamp"),
        (WINDOW | {"to": WINDOW["from"]}, "reversed_window"),
        ({"from": WINDOW["to"], "to": WINDOW["from"]}, "reversed_window"),
        ({"from": "2026-11-01T00:00:00Z", "to": "2026-11-01T01:00:00+02:00"}, "reversed_window"),
    ],
)
async def test_windows_that_cannot_be_answered(rig, window, code):
    assert told(await rig.get("/v1/usage", rig.tenant, params=window)) == (422, code)


@pytest.mark.parametrize("offset", ["+00:60", "%2B00:60", "-00:99", "+24:00", "+0060"])
async def test_an_offset_that_there_cannot_be_is_refused_with_what_there_can(rig, offset):
    answer = await rig.get(f"/v1/usage?from=2026-11-01T00:00:00{offset}&to={WINDOW['to']}", rig.tenant)
    assert told(answer) == (422, "invalid_timestamp")
    assert "`from` is not a time: an offset has hours 00 to 23 and minutes 00 to 59" in answer.text


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-01T00:00:00+02:00",
        "2026-11-01T00:00:00%2B02:00",
        "2026-11-01T00:00+0200",
        "2026-11-01+00:00+02:00",
        "2026-11-01T00:00:00.000+02:00",
        "2026-10-31T22:00:00Z",
        "2026-10-31T18:00:00-04:00",
    ],
)
async def test_offsets_work_escaped_or_not(rig, written):
    answer = await rig.get(f"/v1/usage?from={written}&to={WINDOW['to']}", rig.tenant)

    assert answer.status_code == 200, answer.text
    east = timezone(timedelta(hours=2))
    assert [question.window for question in rig.usage.asked] == [
        Window(datetime(2026, 11, 1, tzinfo=east), NOVEMBER.end)
    ]


async def test_a_database_that_is_away_is_503(rig):
    rig.usage.error = UsageUnavailableError("The database did not answer.")

    answer = await rig.get("/v1/usage", rig.tenant, params=WINDOW)

    assert told(answer) == (503, "usage_backend_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
