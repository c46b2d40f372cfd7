"""What the API says of months whose calls were dropped."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta

import httpx
import pytest

from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.migrate import is_current
from adapters.postgres.usage.reader import PostgresUsageAnswers
from api.app import create_app
from tests.integration.test_retention import KEPT_FROM, OLD, THIS_MONTH, database, drop

__all__ = ["database"]

Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def ask(database) -> AsyncIterator[Ask]:
    """Questions by a tenant's key, of a window, once months were dropped."""
    _, engine = database
    await drop(engine)
    store = PostgresKeyStore(engine)
    app = create_app(PostgresUsageAnswers(engine), store, lambda: is_current(engine))
    key = await store.create("alder")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:

        async def asked(path: str, start: datetime, end: datetime, **more: str) -> httpx.Response:
            window = {"from": f"{start:%Y-%m-%dT%H:%M:%SZ}", "to": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
            return await client.get(path, params=window | more, headers={"Authorization": f"Bearer {key.text}"})

        yield asked


@pytest.mark.parametrize("more", [{}, {"compare": "previous"}])
async def test_a_window_that_cuts_one_is_refused_with_422(ask, more):
    for path in ("/v1/usage", "/v1/usage/query") if not more else ("/v1/usage/query",):
        answer = await ask(path, OLD + timedelta(hours=8), THIS_MONTH, **more)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "calls_dropped"), path


async def test_where_the_period_before_alone_cuts_one_the_window_is_answered_without_it(ask):
    # So long that the period before begins inside a day that has calls, and was dropped.
    window = KEPT_FROM, KEPT_FROM + (KEPT_FROM - (OLD + timedelta(days=14, hours=8)))
    plain = (await ask("/v1/usage/query", *window, group_by="operation")).json()
    answer = await ask("/v1/usage/query", *window, group_by="operation", compare="previous")
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["compared_with"] is None
    assert "The period before cannot be told exactly." in page["not_compared"]
    assert f"{KEPT_FROM:%Y-%m-%d}" in page["not_compared"]
    assert page["total"].pop("previous") is None
    assert page["total"] == plain["total"]
    assert [group.pop("previous") for group in page["groups"]] == [None] * len(plain["groups"])
    assert page["groups"] == plain["groups"]
    table = await ask("/v1/usage/query", *window, group_by="operation", compare="previous", format="csv")
    head, *lines = table.text.splitlines()
    assert "previous_llm_calls_total" in head
    assert len(lines) == len(plain["groups"])
