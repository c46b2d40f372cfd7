"""PauseBook: what the watch on budgets relies on, held against the table and against the fake that unit tests use."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from adapters.postgres.budget_pauses import PostgresPauseBook, PostgresPauses
from domain.usage.pausing import Kept, Pause
from tests.budget_support import MemoryPauseBook
from tests.usage_support import migrated_database

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def a_pause(tenant="a", operation=None, until=NOW) -> Pause:
    return Pause(uuid4(), tenant, operation, until, Decimal("12.500000000001"))


@pytest.fixture(params=["memory", "postgres"])
async def book(request, postgres):
    if request.param == "memory":
        yield MemoryPauseBook()
        return
    async with migrated_database(postgres.url) as (_, engine):
        yield PostgresPauseBook(engine)


def in_order(pauses):
    return sorted(pauses, key=lambda one: one.pause_id)


async def test_what_is_kept_lasts_and_what_is_not_has_ended(book):
    one, other, third = a_pause(), a_pause(operation="'; DROP TABLE budget_pauses; --"), a_pause("\U0001f6b0")
    assert await book.keep([], NOW) == Kept()
    assert await book.keep([one, other], NOW) == Kept(begun=2)
    assert await book.keep([other, one], NOW) == Kept()
    assert in_order(await book.lasting()) == in_order([one, other])
    assert await book.keep([other, third], NOW) == Kept(begun=1, ended=1)
    assert in_order(await book.lasting()) == in_order([other, third])
    assert await book.over(NOW, NOW) == []
    assert await book.over(NOW + timedelta(microseconds=1), NOW) == [one]
    later = NOW + timedelta(minutes=1)
    assert await book.keep([other, third], later) == Kept()  # it ended once
    assert await book.over(later, NOW) == [one]
    assert await book.keep([], later) == Kept(ended=2)
    assert len(await book.over(later + timedelta(minutes=1), NOW)) == 3


async def test_what_was_sent_again_is_looked_at_once_more_and_then_forgotten(book):
    one, other = a_pause(), a_pause()
    later, hour = NOW + timedelta(minutes=1), timedelta(hours=1)
    await book.keep([one, other], NOW)
    await book.keep([other], NOW)
    await book.sent(await book.over(later, NOW), later, later)
    assert await book.over(later, later) == []
    assert await book.over(later, later + hour) == [one]
    assert await book.lasting() == [other]
    assert await book.keep([other], later) == Kept()  # it has ended still
    await book.sent([one], later + hour, later + hour)
    assert await book.over(later + hour, later + 2 * hour) == []
    assert await book.keep([one, other], later) == Kept(begun=1)
    await book.keep([other], later)
    assert await book.over(later + hour, NOW) == [one], "a pause anew, and never sent"


async def test_what_was_sent_again_is_kept_but_not_of_what_began_anew(book):
    one, other, third = a_pause(), a_pause(), a_pause()
    later, latest = NOW + timedelta(minutes=1), NOW + timedelta(minutes=2)
    await book.keep([one, other, third], NOW)
    await book.keep([], NOW)
    over = await book.over(later, NOW)
    assert await book.keep([other, third], later) == Kept(begun=2)
    await book.keep([third], later)
    await book.sent(over, later, later)
    assert await book.lasting() == [third]
    assert await book.over(latest, NOW) == [other]
    assert await book.keep([one, third], latest) == Kept(begun=1)


async def test_one_is_alone_at_a_time(book):
    async with book.alone() as first:
        async with book.alone() as second:
            assert (first, second) == (True, False)
        async with book.alone() as third:
            assert not third
    async with book.alone() as fourth:
        assert fourth


async def test_what_was_held_back_for_another_pause_waits_for_that_one(book):
    early, late, others = a_pause(), a_pause(), a_pause("b")
    await book.keep([early], NOW)
    await book.keep([early, late, others], NOW + timedelta(minutes=1))
    await book.keep([late, others], NOW + timedelta(minutes=1))
    later = NOW + timedelta(minutes=2)
    (over,) = await book.over(later, NOW)
    before = {one.pause_id: one.inputs_since for one in await book.lasting()}
    assert over.inputs_since < before[late.pause_id] <= before[others.pause_id]
    await book.sent([over], later, later)
    since = {one.pause_id: one.inputs_since for one in await book.lasting()}
    assert since == {late.pause_id: over.inputs_since, others.pause_id: before[others.pause_id]}


async def test_workers_heed_what_lasts_until_its_period_is_over(postgres):
    async with migrated_database(postgres.url) as (_, engine):
        book, workers = PostgresPauseBook(engine), PostgresPauses(engine, 30)
        assert not await workers.paused()
        ahead = datetime.now(UTC) + timedelta(hours=1)
        all_of_it, ended = a_pause("a", None, ahead), a_pause("c", None, ahead)
        past = a_pause("d", None, datetime.now(UTC) - timedelta(seconds=1))
        await book.keep([all_of_it, a_pause("a", None, ahead), a_pause("b", "x", ahead), ended, past], NOW)
        assert await workers.paused() == {("a", None), ("b", "x"), ("c", None)}
        await book.keep([all_of_it], NOW)
        assert await workers.paused() == {("a", None)}
