"""`/v1/usage/query` through the HTTP door: what is asked of the store, what is answered, what is refused."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from api.usage_page import UsagePage
from domain.errors import TooManyGroupsError, UsageUnavailableError
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window
from tests.unit.api.support import AS_OF, NOVEMBER, WINDOW, Rig, answer_of, told

PATH = "/v1/usage/query"
KYIV = ZoneInfo("Europe/Kyiv")


@pytest.fixture
async def rig():
    rig = Rig()
    rig.tenant = (await rig.keys.create("red-cross")).text
    rig.superuser = (await rig.keys.create("headquarters", superuser=True)).text
    async with rig.client:
        yield rig


async def test_a_question_reaches_the_store_as_it_was_meant(rig):
    asked = WINDOW | {
        "group_by": "model, tenant,week",
        "zone": "Europe/Kyiv",
        "tenant": ["a", "b", "a"],
        "error_class": "",
        "percentiles": "99.9,0,100,0",
        "ingested_before": "2026-12-24T00:00:00Z",
    }

    answer = await rig.get(PATH, rig.superuser, params=asked)

    assert answer.status_code == 200, answer.text
    assert rig.usage.asked == [
        UsageQuestion(
            NOVEMBER,
            ("model", "tenant"),
            {"tenant": ("a", "b"), "error_class": (None,)},
            "week",
            KYIV,
            (99.9, 0.0, 100.0),
            datetime(2026, 12, 24, tzinfo=UTC),
        )
    ]
    page = answer.json()
    assert (page["group_by"], page["zone"], page["window_is_default"]) == (
        ["model", "tenant", "week"],
        "Europe/Kyiv",
        False,
    )
    assert page["as_of"] == "2026-12-02T08:30:00Z"
    assert page["groups"][0]["keys"] == {"model": "a", "tenant": "a"}
    assert UsagePage.model_validate(page).groups[1].llm_calls.total == 1


async def test_without_a_window_the_last_30_days_are_meant_and_said(rig):
    before = datetime.now(UTC)
    answer = await rig.get(PATH, rig.tenant)

    [question] = rig.usage.asked
    assert before <= question.window.end <= datetime.now(UTC)
    assert question.window.end - question.window.start == timedelta(days=30)
    assert answer.json()["window_is_default"] is True
    assert datetime.fromisoformat(answer.json()["to"]) == question.window.end


async def test_a_key_of_a_tenant_is_told_of_that_tenant_only(rig):
    for extra in ({}, {"tenant": "red-cross"}):
        assert (await rig.get(PATH, rig.tenant, params=WINDOW | extra)).status_code == 200
    assert [question.filters for question in rig.usage.asked] == [{"tenant": ("red-cross",)}] * 2

    for extra in (
        {"tenant": "other"},
        {"tenant": ["red-cross", "other"]},
        {"tenant": ""},
        {"group_by": "tenant"},
        {"group_by": "day,tenant", "format": "csv"},
    ):
        assert told(await rig.get(PATH, rig.tenant, params=WINDOW | extra)) == (403, "superuser_required"), extra
    assert told(await rig.get(PATH, params=WINDOW)) == (401, "missing_key")
    assert len(rig.usage.asked) == 2


BAD = [
    ({"group_by": "colour"}, "unknown_dimension", "`operation`"),
    ({"group_by": "model,"}, "unknown_dimension", "`model`"),
    ({"group_by": "Model"}, "unknown_dimension", "`week`"),
    ({"group_by": "tenant_id"}, "unknown_dimension", "`tenant`"),
    ({"group_by": "model,model"}, "repeated_dimension", "twice"),
    ({"group_by": "day,hour"}, "several_units", "`month`"),
    ({"zone": "Mars/Olympus"}, "unknown_zone", "`Europe/Kyiv`"),
    ({"zone": "Europe/Kiew"}, "unknown_zone", "`Europe/Kiev`"),
    ({"zone": ""}, "unknown_zone", "IANA"),
    ({"zone": "../etc/passwd"}, "unknown_zone", "IANA"),
    ({"zone": "Europe"}, "unknown_zone", "IANA"),
    ({"zone": "+02:00"}, "unknown_zone", "IANA"),
    ({"percentiles": "101"}, "invalid_percentiles", "0 to 100"),
    ({"percentiles": "-1"}, "invalid_percentiles", "0 to 100"),
    ({"percentiles": "nan"}, "invalid_percentiles", "0 to 100"),
    ({"percentiles": "5;50"}, "invalid_percentiles", "5,50"),
    ({"percentiles": "99.99999"}, "invalid_percentiles", "3 decimals"),
    ({"percentiles": ",".join(map(str, range(21)))}, "invalid_percentiles", "20 numbers"),
    ({"views": "llm_calls,bills"}, "unknown_view", "`invocations`"),
    ({"views": ""}, "unknown_view", "`llm_calls`"),
    ({"compare": "next"}, "unknown_choice", "`previous`"),
    ({"format": "xlsx"}, "unknown_choice", "`parquet`"),
    ({"limit": "0"}, "invalid_limit", "1 to 10000"),
    ({"limit": "10001"}, "invalid_limit", "1 to 10000"),
    ({"limit": "many"}, "invalid_limit", "1 to 10000"),
    ({"format": "csv", "limit": "5"}, "pages_are_json", "`json`"),
    ({"format": "parquet", "cursor": "x"}, "pages_are_json", "`json`"),
    ({"cursor": "x"}, "invalid_cursor", "`next_cursor`"),
    ({"cursor": "ñ"}, "invalid_cursor", "`next_cursor`"),
    ({"cursor": "W10"}, "invalid_cursor", "`next_cursor`"),
    ({"cursor": "W" * 2000}, "invalid_cursor", "`next_cursor`"),
    ({"from": None}, "missing_parameter", "`from`"),
    ({"to": None}, "missing_parameter", "`to`"),
    ({"from": WINDOW["to"], "to": WINDOW["from"]}, "reversed_window", "before"),
    ({"from": "2026-11-01T00:00:00"}, "naive_timestamp", "offset"),
    ({"to": "2026-13-01T00:00:00Z"}, "invalid_timestamp", "2026-11-01T00:00:00Z"),
    ({"from": "1026-11-01T00:00:00Z"}, "window_too_long", "20 years"),
    ({"from": "1926-11-01T00:00:00Z", "to": "1927-01-01T00:00:00Z"}, "window_out_of_range", "1970"),
    ({"from": "2326-11-01T00:00:00Z", "to": "2327-01-01T00:00:00Z"}, "window_out_of_range", "2200"),
    ({"ingested_before": "yesterday"}, "invalid_timestamp", "`ingested_before`"),
    ({"ingested_before": "2026-11-01T00:00:00"}, "naive_timestamp", "`ingested_before`"),
    ({"model": "a\x00b"}, "invalid_filter", "NUL"),
    ({"model": "a" * 1025}, "invalid_filter", "1024"),
    ({"model": [str(number) for number in range(201)]}, "invalid_filter", "200 values"),
    ({"colour": "red"}, "unknown_parameter", "`prompt_version`"),
    ({"tenant_id": "red-cross"}, "unknown_parameter", "`tenant`"),
    ({"zone": ["UTC", "UTC"]}, "repeated_parameter", "`zone`"),
    ({"format": ["csv", "json"]}, "repeated_parameter", "`format`"),
]


@pytest.mark.parametrize(("wrong", "code", "allowed"), BAD)
async def test_what_cannot_be_meant_is_refused_with_what_can(rig, wrong, code, allowed):
    asked = {name: value for name, value in (WINDOW | wrong).items() if value is not None}

    answer = await rig.get(PATH, rig.superuser, params=asked)

    assert told(answer) == (422, code)
    assert allowed in answer.json()["error"]["message"]
    assert rig.usage.asked == []


async def test_what_the_store_cannot_do_has_the_envelope_in_every_format(rig):
    for form in ("json", "csv", "parquet"):
        rig.usage.error = TooManyGroupsError("The answer has more than 100,000 groups; ask for less.")
        asked = WINDOW | {"format": form}
        assert told(await rig.get(PATH, rig.superuser, params=asked)) == (422, "too_many_groups")
        rig.usage.error = UsageUnavailableError("The database did not answer.")
        assert told(await rig.get(PATH, rig.superuser, params=asked)) == (503, "usage_backend_unavailable")


async def test_pages_hold_every_group_once_and_are_of_the_moment_of_the_first(rig):
    names = ["a", "b", "c", "d", None]
    rig.usage.given = [answer_of(*names, as_of=AS_OF + timedelta(minutes=number)) for number in range(3)]
    asked = {"group_by": "operation", "limit": "2"}

    page = (await rig.get(PATH, rig.superuser, params=asked)).json()
    pages = [page]
    while page["next_cursor"]:
        page = (await rig.get(PATH, rig.superuser, params=asked | {"cursor": page["next_cursor"]})).json()
        pages.append(page)

    assert [group["keys"]["operation"] for page in pages for group in page["groups"]] == names
    assert {json.dumps(page["total"]) for page in pages} == {json.dumps(pages[0]["total"])}
    assert {page["as_of"] for page in pages} == {AS_OF.isoformat().replace("+00:00", "Z")}
    # The default window goes on with time; that of the pages does not. What came after the first page is in none.
    assert len({question.window for question in rig.usage.asked}) == 1
    assert [question.ingested_before for question in rig.usage.asked] == [None, AS_OF, AS_OF]


async def test_a_page_goes_on_behind_the_last_group_wherever_it_is_now(rig):
    rig.usage.given = [answer_of("b", "d"), answer_of("a", "b", "c", "d"), answer_of("c", "d")]
    asked = WINDOW | {"group_by": "operation", "limit": "1"}

    cursor = (await rig.get(PATH, rig.superuser, params=asked)).json()["next_cursor"]
    second = (await rig.get(PATH, rig.superuser, params=asked | {"cursor": cursor, "limit": "9"})).json()
    gone = await rig.get(PATH, rig.superuser, params=asked | {"cursor": cursor})

    assert [group["keys"]["operation"] for group in second["groups"]] == ["c", "d"]
    assert told(gone) == (422, "invalid_cursor")


async def test_a_cursor_is_of_one_question_only(rig):
    rig.usage.given = [answer_of("a", "b")]
    asked = WINDOW | {"group_by": "operation", "limit": "1"}
    cursor = (await rig.get(PATH, rig.tenant, params=asked)).json()["next_cursor"]

    others = [
        {"group_by": "model"},
        {"group_by": "operation,day"},
        {"zone": "Europe/Kyiv"},
        {"model": "m"},
        {"percentiles": "50"},
        {"views": "llm_calls"},
        {"compare": "previous"},
        {"ingested_before": WINDOW["to"]},
        {"to": "2026-12-01T00:00:01Z"},
    ]
    for other in others:
        refused = await rig.get(PATH, rig.tenant, params=asked | other | {"cursor": cursor})
        assert told(refused) == (422, "invalid_cursor"), other
    assert told(await rig.get(PATH, rig.superuser, params=asked | {"cursor": cursor})) == (422, "invalid_cursor")
    middle = len(cursor) // 2
    bent = cursor[:middle] + ("A" if cursor[middle] != "A" else "B") + cursor[middle + 1 :]
    assert told(await rig.get(PATH, rig.tenant, params=asked | {"cursor": bent})) == (422, "invalid_cursor")


async def test_views_that_are_not_asked_for_are_left_out(rig):
    page = (await rig.get(PATH, rig.tenant, params=WINDOW | {"views": "invocations"})).json()
    assert set(page["total"]) == {"keys", "start", "end", "invocations"}


async def test_the_period_before_stands_beside_each_group_and_the_total(rig):
    rig.usage.given = [answer_of("b", "c"), answer_of("a", "b")]
    start, end = "2026-11-01T00:00:00+02:00", "2026-12-01T00:00:00+02:00"
    asked = {"from": start, "to": end, "zone": "Europe/Kyiv", "group_by": "operation", "compare": "previous"}

    page = (await rig.get(PATH, rig.superuser, params=asked)).json()

    assert rig.usage.asked[1].window == Window(datetime(2026, 10, 1, tzinfo=KYIV), datetime(2026, 11, 1, tzinfo=KYIV))
    assert page["compared_with"]["to"] == "2026-11-01T00:00:00+02:00"
    counted = [
        (group["keys"]["operation"], group["llm_calls"]["total"], group["previous"]["llm_calls"]["total"])
        for group in page["groups"]
    ]
    assert counted == [("a", 0, 1), ("b", 1, 1), ("c", 1, 0)]
    assert page["total"]["previous"]["llm_calls"]["total"] == 2
    assert page["as_of"] == AS_OF.isoformat().replace("+00:00", "Z")


async def test_the_description_names_every_parameter_and_has_an_example_that_is_an_answer(rig):
    described = (await rig.get("/openapi.json")).json()["paths"][PATH]["get"]
    given = {one["name"]: one for one in described["parameters"]}
    assert set(given) == {
        *("from", "to", "group_by", "zone", "percentiles", "views", "compare", "limit", "cursor", "format"),
        *("tenant", "operation", "model", "provider", "status", "error_class", "prompt_version", "ingested_before"),
    }
    assert all(one["description"] and not one["required"] for one in given.values())
    told_as = described["responses"]["200"]["content"]
    assert set(told_as) == {"application/json", "text/csv", "application/vnd.apache.parquet"}
    example = UsagePage.model_validate(told_as["application/json"]["example"])
    assert example.groups[0].llm_calls.total == 163
