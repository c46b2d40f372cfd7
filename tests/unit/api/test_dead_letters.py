"""`/v1/dead-letters`: who may ask what, and what is answered."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from api.app import create_app
from domain.dead_letters.counts import DeadLetterCounts, DeadLetterGroup, DeadLetterQuestion
from domain.errors import TooManyGroupsError, TooManyQuestionsError, UsageUnavailableError
from domain.keys import Asker
from tests.api_routes import paths_of
from tests.unit.api.support import AS_OF, NOVEMBER, WINDOW, Rig, told

PATH = "/v1/dead-letters"
GROUPS = (
    DeadLetterGroup(operation="summarize", reason="budget_exhausted", dead_letters=4, last_failed_at=AS_OF),
    DeadLetterGroup(operation=None, reason="wrong_schema", dead_letters=3, last_failed_at=AS_OF),
)


class ScriptedReader:
    def __init__(self):
        self.asked, self.askers, self.error = [], [], None

    async def counts(self, question, asker):
        self.asked.append(question)
        self.askers.append(asker)
        if self.error is not None:
            raise self.error
        window = question.window
        return DeadLetterCounts(
            start=window.start,
            end=window.end,
            tenants=question.tenants,
            total=7,
            set_aside_for_budget=4,
            groups=GROUPS,
            as_of=AS_OF,
        )


@pytest.fixture
async def rig():
    rig = Rig()
    await rig.client.aclose()
    rig.reader = ScriptedReader()
    rig.app = create_app(rig.usage, rig.keys, rig.ready, dead_letter_reader=rig.reader)
    rig.tenant = (await rig.keys.create("red-cross")).text
    rig.superuser = (await rig.keys.create("headquarters", superuser=True)).text
    async with httpx.AsyncClient(transport=httpx.ASGITransport(rig.app), base_url="http://api") as rig.client:
        yield rig


async def test_a_caller_is_told_what_of_the_own_tenant_could_not_be_answered(rig):
    answer = await rig.get(PATH, rig.tenant, params=WINDOW)

    assert answer.status_code == 200
    assert rig.reader.asked == [DeadLetterQuestion(NOVEMBER, ("red-cross",))]
    assert rig.reader.askers == [Asker("red-cross")]
    last = "2026-12-02T08:30:00Z"
    assert answer.json() == {
        **WINDOW,
        "window_is_default": False,
        "tenants": ["red-cross"],
        "total": 7,
        "set_aside_for_budget": 4,
        "groups": [
            {"operation": "summarize", "reason": "budget_exhausted", "dead_letters": 4, "last_failed_at": last},
            {"operation": None, "reason": "wrong_schema", "dead_letters": 3, "last_failed_at": last},
        ],
        "as_of": last,
    }


async def test_without_a_window_it_is_the_last_thirty_days(rig):
    before = datetime.now(UTC)
    answer = await rig.get(PATH, rig.tenant)
    assert answer.json()["window_is_default"] is True
    (question,) = rig.reader.asked
    assert question.window.end - question.window.start == timedelta(days=30)
    assert before <= question.window.end <= datetime.now(UTC)


async def test_tenants_may_be_named_and_others_by_superusers_only(rig):
    assert (await rig.get(PATH, rig.tenant, params=WINDOW | {"tenant": "red-cross"})).status_code == 200
    assert told(await rig.get(PATH, rig.tenant, params=WINDOW | {"tenant": "b"})) == (403, "superuser_required")
    assert told(await rig.get(PATH, params=WINDOW)) == (401, "missing_key")
    both = {"tenant": ["red-cross", "b"]}
    assert told(await rig.get(PATH, rig.tenant, params=WINDOW | both)) == (403, "superuser_required")
    assert (await rig.get(PATH, rig.superuser, params=WINDOW | both)).json()["tenants"] == ["red-cross", "b"]
    assert (await rig.get(PATH, rig.superuser, params=WINDOW)).json()["tenants"] is None
    assert [question.tenants for question in rig.reader.asked] == [("red-cross",), ("red-cross", "b"), None]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"from": WINDOW["from"]}, "missing_parameter"),
        ({"to": WINDOW["to"]}, "missing_parameter"),
        (WINDOW | {"from": "2026-11-01"}, "invalid_timestamp"),
        (WINDOW | {"from": "2026-11-01T00:00:00"}, "naive_timestamp"),
        (WINDOW | {"to": WINDOW["from"]}, "reversed_window"),
        (WINDOW | {"to": ["x", WINDOW["to"]]}, "repeated_parameter"),
        (WINDOW | {"from": "1926-11-01T00:00:00Z"}, "window_too_long"),
        (WINDOW | {"tenant": "a\x00b"}, "invalid_filter"),
        (WINDOW | {"tenant_id": "red-cross"}, "unknown_parameter"),
        (WINDOW | {"reason": "too_large"}, "unknown_parameter"),
    ],
)
async def test_questions_that_cannot_be_answered(rig, asked, code):
    assert told(await rig.get(PATH, rig.superuser, params=asked)) == (422, code)
    assert rig.reader.asked == []


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (UsageUnavailableError("The database did not answer."), (503, "usage_backend_unavailable")),
        (TooManyQuestionsError("This tenant has too many questions open."), (429, "too_many_questions")),
        (TooManyGroupsError("The answer has more than 10,000 groups."), (422, "too_many_groups")),
    ],
)
async def test_what_keeps_the_reader_from_an_answer_is_told(rig, error, answer):
    rig.reader.error = error
    assert told(await rig.get(PATH, rig.tenant, params=WINDOW)) == answer


async def test_the_description_knows_it_and_an_api_without_a_reader_does_not(rig):
    assert PATH in paths_of(rig.app)
    assert PATH in (await rig.get("/openapi.json")).json()["paths"]
    without = create_app(rig.usage, rig.keys, rig.ready)
    assert PATH not in paths_of(without)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(without), base_url="http://api") as client:
        answer = await client.get(PATH, headers={"Authorization": f"Bearer {rig.tenant}"})
    assert told(answer) == (404, "not_found")
