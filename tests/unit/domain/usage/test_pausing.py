"""Hard stops: when a budget's work is paused and when no longer, and what is sent again then."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from domain.errors import BrokerUnavailableError, UserError
from domain.usage import budget_loops
from domain.usage.alerting import BudgetWatch
from domain.usage.budget_file import read_budgets
from domain.usage.budget_loops import keep_sending_again
from domain.usage.budget_tally import BudgetTally
from domain.usage.budgets import Budget, overview, period_at, standings
from domain.usage.pausing import CLOCKS, longest_pause, pauses_of, send_again
from tests.budget_support import MemoryPauseBook
from tests.fakes import FakePublisher
from tests.unit.domain.usage.test_alerting import MemoryBook
from tests.unit.domain.usage.test_budgets import Asked

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BUDGET = Budget("a", None, "month", ZoneInfo("UTC"), Decimal(100), hard_stop=True)
OF_X = replace(BUDGET, operation="x")


async def paused(*budgets: Budget, now: datetime = NOW, **spent: str) -> list[tuple[str, str | None]]:
    asked = Asked({("a", operation): (usd, 7) for operation, usd in spent.items()})
    return [one.of for one in pauses_of(await standings(asked, budgets, now), now)]


@pytest.mark.parametrize(
    ("budgets", "spent", "expected"),
    [
        ([BUDGET], {"x": "99.999999999999"}, []),
        ([BUDGET], {"x": "60", "y": "40"}, [("a", None)]),
        ([replace(BUDGET, hard_stop=False)], {"x": "1000"}, []),
        ([replace(BUDGET, limit_usd=Decimal("100.01"))], {"x": "100"}, []),
        ([OF_X], {"x": "100"}, [("a", "x")]),
        ([OF_X], {"x": "0", "y": "1000"}, []),
        ([OF_X, replace(OF_X, operation="y")], {"x": "100", "y": "99"}, [("a", "x")]),
        ([BUDGET, replace(BUDGET, tenant_id="b")], {"x": "100"}, [("a", None)]),
        # Neither a share that is told of, nor what nobody knows the price of, makes a pause.
        ([replace(BUDGET, thresholds=(Decimal("0.5"),))], {"x": "50"}, []),
        ([replace(BUDGET, thresholds=(Decimal("0.5"),))], {"x": "100"}, [("a", None)]),
    ],
)
async def test_what_is_paused_is_what_is_spent_whole_of_budgets_with_a_hard_stop(budgets, spent, expected):
    assert await paused(*budgets, **spent) == expected


async def test_a_pause_ends_with_its_period_also_while_the_period_is_still_looked_at():
    month = period_at(NOW, "month", ZoneInfo("UTC"))
    end = month.end

    class November(Asked):
        async def answer(self, question, asker):
            self.spent = {("a", "x"): ("100" if question.window.start < end else "1", 0)}
            return await super().answer(question, asker)

    for moment, expected in ((end - timedelta(microseconds=1), [end]), (end, []), (end + timedelta(minutes=30), [])):
        found = await standings(November({}), [BUDGET], moment)
        assert [one.until for one in pauses_of(found, moment)] == expected


async def test_the_book_follows_the_standings_and_each_limit_has_a_pause_of_its_own():
    book, asked = MemoryPauseBook(), Asked({("a", "x"): ("100", 0)})

    async def look(*budgets: Budget, now: datetime = NOW) -> list[Decimal]:
        await BudgetWatch(budgets, asked, MemoryBook(), FakePublisher(), lambda: now, pauses=book).look()
        return [one.limit_usd for one in await book.lasting()]

    raised = replace(BUDGET, limit_usd=Decimal(200))
    assert await look(BUDGET) == [100]
    assert await look(BUDGET) == [100]
    assert await look(raised) == []
    asked.spent = {("a", "x"): ("200", 0)}
    assert await look(raised) == [200]
    assert await look(replace(raised, hard_stop=False)) == []
    assert await look(raised) == [200]
    # Priced anew for less; and the next month.
    asked.spent = {("a", "x"): ("199", 0)}
    assert await look(raised) == []
    asked.spent = {("a", "x"): ("200", 0)}
    assert await look(raised) == [200]
    december = datetime(2026, 12, 3, tzinfo=UTC)
    assert await look(raised, now=december) == [200]
    assert {one.until.month for one in await book.lasting()} == {1}
    assert len(await book.over(december + timedelta(seconds=1), NOW)) == 2


async def test_a_pause_begins_though_nobody_can_be_told_of_it():
    book, publisher = MemoryPauseBook(), FakePublisher()

    def refuse(message):
        raise BrokerUnavailableError("Kafka is away.")

    publisher.refuse = refuse
    watch = BudgetWatch([BUDGET], Asked({("a", "x"): ("100", 0)}), MemoryBook(), publisher, lambda: NOW, pauses=book)
    with pytest.raises(BrokerUnavailableError):
        await watch.look()
    assert [one.of for one in await book.lasting()] == [("a", None)]


async def test_an_alert_says_that_work_is_paused_and_an_overview_shows_it():
    book, publisher, asked = MemoryPauseBook(), FakePublisher(), Asked({("a", "x"): ("150", 0)})
    budgets = [BUDGET, replace(BUDGET, period="week", hard_stop=False)]
    await BudgetWatch(budgets, asked, MemoryBook(), publisher, lambda: NOW, pauses=book).look()
    told = {(one["period"], one["threshold"]): one["hard_stop"] for one in publisher.on("usage.alerts")}
    assert {key for key, stops in told.items() if stops} == {("month", "1")}
    assert len(told) == 6
    lasting = {one.pause_id for one in await book.lasting()}
    assert [one.paused for one in await overview(asked, budgets, set(), NOW, lasting)] == [True, False]


class Inputs:
    """What was sent again: for which tenants, and what of `(tenant, operation)` was held back."""

    def __init__(self) -> None:
        self.sent: list[tuple[set[str], bool]] = []
        self.since: list[dict[str, datetime]] = []
        self.failures: list[Exception] = []
        self.news = asyncio.Event()

    async def send_again(self, tenants, paused) -> int:
        self.news.set()
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append((set(tenants), paused.is_paused("a", "x")))
        self.since.append(dict(tenants))
        return 3


async def book_of(*budgets: Budget, spent: str = "100", at: datetime = NOW, book=None) -> MemoryPauseBook:
    book = book or MemoryPauseBook()
    await book.keep(pauses_of(await standings(Asked({("a", "x"): (spent, 0)}), budgets, at), at), at)
    return book


async def test_what_a_pause_left_undone_is_sent_again_once_it_has_been_over_for_long_enough():
    settled, inputs = timedelta(seconds=40), Inputs()
    book = await book_of(BUDGET, OF_X)
    assert await send_again(book, inputs, settled, NOW + timedelta(days=1)) == 0  # nothing is over
    await book_of(OF_X, at=NOW, book=book)
    assert await send_again(book, inputs, settled, NOW + settled) == 0  # a worker may not know yet
    assert await send_again(book, inputs, settled, NOW + settled + timedelta(seconds=1)) == 3
    assert inputs.sent == [({"a"}, True)]  # that operation is paused still
    assert await send_again(book, inputs, settled, NOW + timedelta(hours=1)) == 0
    # Once more, for what a worker could not hand over earlier; and then no more.
    assert await send_again(book, inputs, settled, NOW + timedelta(hours=1, minutes=1)) == 3
    assert await send_again(book, inputs, settled, NOW + timedelta(days=1)) == 0
    await book_of(at=NOW, book=book)
    assert await send_again(book, inputs, settled, NOW + timedelta(days=1)) == 3
    assert inputs.sent == [({"a"}, True), ({"a"}, True), ({"a"}, False)]


async def test_what_could_not_be_sent_is_tried_again_and_what_begins_anew_meanwhile_is_not_forgotten():
    settled, inputs, later = timedelta(seconds=40), Inputs(), NOW + timedelta(hours=1)
    book = await book_of(BUDGET)
    await book_of(book=book)
    inputs.failures = [BrokerUnavailableError("away")]
    with pytest.raises(BrokerUnavailableError):
        await send_again(book, inputs, settled, later)
    assert len(await book.over(later, NOW)) == 1

    class Slow(Inputs):
        async def send_again(self, tenants, paused) -> int:
            await book_of(BUDGET, at=later, book=book)
            await book_of(at=later, book=book)
            return await super().send_again(tenants, paused)

    assert await send_again(book, Slow(), settled, later) == 3
    assert len(await book.over(later + settled, NOW)) == 1


async def test_an_input_waits_since_its_pause_began_and_nothing_is_sent_by_two():
    inputs, later = Inputs(), NOW + timedelta(hours=1)
    book = await book_of(BUDGET)
    await book_of(book=book)
    async with book.alone():
        assert await send_again(book, inputs, timedelta(seconds=40), later) == 0
    assert not inputs.sent
    assert await send_again(book, inputs, timedelta(seconds=40), later) == 3
    assert inputs.since == [{"a": NOW - CLOCKS}]


async def test_sending_again_goes_on_through_outages_until_it_is_stopped(monkeypatch):
    for name in ("FIRST_PAUSE", "LONGEST_PAUSE"):
        monkeypatch.setattr(budget_loops, name, 0.0)
    book, inputs, stop = await book_of(BUDGET), Inputs(), asyncio.Event()
    await book_of(book=book)
    inputs.failures = [BrokerUnavailableError("away"), BrokerUnavailableError("away")]
    later, tally = NOW + timedelta(hours=1), BudgetTally()
    task = asyncio.create_task(keep_sending_again(book, inputs, stop, 0.0, timedelta(seconds=40), tally, lambda: later))
    async with asyncio.timeout(30):
        while not inputs.sent:  # noqa: ASYNC110 - each turn of the loop sets it
            await asyncio.sleep(0)
        stop.set()
        await task
    assert inputs.sent == [({"a"}, False)]
    assert (tally.outages, tally.sent_again) == (2, 3)
    assert not await book.over(later, NOW)


def test_a_file_says_which_budgets_stop():
    entry = {"tenant": "a", "period": "month", "limit_usd": 1}
    plain, stopping = read_budgets({"budgets": [entry, {**entry, "operation": "x", "hard_stop": True}]}, "F")
    assert (plain.hard_stop, stopping.hard_stop) == (False, True)
    with pytest.raises(UserError, match=r"`budgets\[0\].hard_stop`"):
        read_budgets({"budgets": [{**entry, "hard_stop": "yes"}]}, "F")


def test_dead_letters_must_be_kept_for_as_long_as_a_pause_may_last():
    assert longest_pause([replace(BUDGET, hard_stop=False)]) == timedelta(0)
    assert longest_pause([replace(BUDGET, period="day"), replace(BUDGET, period="week")]) == timedelta(days=8)
    assert longest_pause([BUDGET]) > timedelta(days=31)
