"""The agreement route: who may ask what, and what is answered."""

import pytest

from api.app import create_app
from domain.agreement import AgreementQuestion
from domain.errors import UsageUnavailableError
from tests.api_routes import paths_of
from tests.unit.api.support import NOVEMBER, WINDOW, Rig, told

PATH = "/v1/agreement"
ASKED = WINDOW | {"framework_id": "community-feedback"}


@pytest.fixture
async def rig():
    rig = Rig()
    rig.tenant = (await rig.keys.create("red-cross")).text
    rig.superuser = (await rig.keys.create("headquarters", superuser=True)).text
    async with rig.client:
        yield rig


async def test_a_caller_is_told_how_far_the_own_tenant_agrees(rig):
    answer = await rig.get(PATH, rig.tenant, params=ASKED)

    assert answer.status_code == 200
    assert rig.agreement.asked == [AgreementQuestion("red-cross", "community-feedback", NOVEMBER)]
    assert answer.json() == {
        "tenant_id": "red-cross",
        "framework_id": "community-feedback",
        "framework_version": None,
        **WINDOW,
        "overall": {
            "records": 2,
            "exact_match": 0.5,
            "micro_precision": 1.0,
            "micro_recall": 0.5,
            "macro_kappa": 0.5,
        },
        "codes": [
            {"code_id": "a", "n": 2, "assigned": 1, "corrected": 1, "agreed": 1, "precision": 1.0, "recall": 1.0}
            | {"kappa": 1.0},
            {"code_id": "b", "n": 2, "assigned": 0, "corrected": 1, "agreed": 0, "precision": None, "recall": 0.0}
            | {"kappa": 0.0},
        ],
    }


async def test_a_tenant_may_be_named_and_another_one_by_superusers_only(rig):
    own = await rig.get(PATH, rig.tenant, params=ASKED | {"tenant_id": "red-cross", "framework_version": "3"})
    assert own.json()["framework_version"] == "3"
    assert told(await rig.get(PATH, rig.tenant, params=ASKED | {"tenant_id": "b"})) == (403, "superuser_required")
    assert told(await rig.get(PATH, params=ASKED | {"tenant_id": "b"})) == (401, "missing_key")
    assert (await rig.get(PATH, rig.superuser, params=ASKED | {"tenant_id": "b"})).json()["tenant_id"] == "b"
    assert (await rig.get(PATH, rig.superuser, params=ASKED)).json()["tenant_id"] == "headquarters"
    assert [(one.tenant_id, one.framework_version) for one in rig.agreement.asked] == [
        ("red-cross", "3"),
        ("b", None),
        ("headquarters", None),
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"framework_id": None}, "missing_parameter"),
        ({"from": None}, "missing_parameter"),
        ({"from": "2026-11-01"}, "invalid_timestamp"),
        ({"to": WINDOW["from"]}, "reversed_window"),
        ({"framework_id": ""}, "invalid_request"),
        ({"framework_id": "a\x00b"}, "invalid_request"),
        ({"framework_id": "x" * 256}, "invalid_request"),
        ({"framework_version": "\x00"}, "invalid_request"),
        ({"tenant_id": ""}, "invalid_request"),
        ({"framework_id": ["a", "b"]}, "repeated_parameter"),
        ({"framework_version": ["a", "b"]}, "repeated_parameter"),
        ({"tenant_id": ["b", "red-cross"]}, "repeated_parameter"),
        ({"to": ["x", WINDOW["to"]]}, "repeated_parameter"),
        ({"tenant": "b"}, "unknown_parameter"),
    ],
)
async def test_questions_that_cannot_be_answered(rig, changes, code):
    asked = {name: value for name, value in (ASKED | changes).items() if value is not None}

    assert told(await rig.get(PATH, rig.tenant, params=asked)) == (422, code)
    assert rig.agreement.asked == []


async def test_a_database_that_is_away_is_503(rig):
    rig.agreement.error = UsageUnavailableError("The database did not answer.")

    answer = await rig.get(PATH, rig.tenant, params=ASKED)

    assert told(answer) == (503, "usage_backend_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


async def test_the_page_and_the_description_know_it_and_an_api_without_a_reader_does_not(rig):
    described = (await rig.get("/openapi.json")).json()["paths"][PATH]["get"]
    assert {one["name"] for one in described["parameters"]} == {
        *("tenant_id", "framework_id", "framework_version", "from", "to")
    }
    assert {"401", "403", "408", "422", "429", "431", "503"} <= set(described["responses"])
    assert PATH in (await rig.get("/docs")).text
    assert PATH not in paths_of(create_app(rig.usage, rig.keys, rig.ready))
