"""On whose behalf the database is asked: the key's, whatever the question is; and what it may answer."""

import pytest

from domain.errors import DroppedCallsError, TooManyQuestionsError
from domain.keys import Asker
from tests.unit.api.support import Rig, told

WINDOW = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}


@pytest.fixture
async def rig():
    rig = Rig()
    async with rig.client:
        yield rig


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/v1/usage", {}),
        ("/v1/usage/all/by-tenant", {}),
        ("/v1/usage/all/by-operation", {}),
        ("/v1/usage/query", {"tenant": "b", "compare": "previous"}),
        ("/v1/agreement", {"tenant_id": "b", "framework_id": "f"}),
    ],
)
async def test_it_is_the_keys_own(rig, path, more):
    key = (await rig.keys.create("headquarters", superuser=True)).text
    assert (await rig.get(path, key, params=WINDOW | more)).status_code == 200
    askers = rig.usage.askers + rig.agreement.askers
    assert askers == [Asker("headquarters", superuser=True)] * (2 if "compare" in more else 1)


async def test_a_tenants_key_asks_for_the_tenant(rig):
    key = (await rig.keys.create("alder")).text
    for path in ("/v1/usage", "/v1/usage/query"):
        assert (await rig.get(path, key, params=WINDOW)).status_code == 200
    assert rig.usage.askers == [Asker("alder")] * 2


async def test_too_many_questions_are_429_and_dropped_calls_422(rig):
    key = (await rig.keys.create("alder")).text
    rig.usage.error = TooManyQuestionsError("This tenant has too many questions open.")
    answer = await rig.get("/v1/usage/query", key, params=WINDOW)
    assert told(answer) == (429, "too_many_questions")
    assert int(answer.headers["Retry-After"]) > 0
    rig.usage.error = DroppedCallsError("Single LLM calls are kept from 2026-09-01 on.")
    assert told(await rig.get("/v1/usage/query", key, params=WINDOW)) == (422, "calls_dropped")
