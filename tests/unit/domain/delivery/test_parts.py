"""Requests in parts: all of them wait, one does the work, all are done together."""

import asyncio
import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.delivery.parts import PartsRegister, PartsSettings, answers_of
from domain.errors import (
    BrokerUnavailableError,
    FailedWithAnotherPartError,
    IncompleteRequestError,
    InvalidOutputError,
    TooManyPartsError,
    WrongSchemaError,
)
from schemas.cloudevents import identify
from tests.builders import NOON, a_message, a_summary_request, an_analysis_request
from tests.fakes import FakeClock, until
from tests.unit.domain.delivery.setup import finishes_with, turns


def a_part(number, of=3, *ids, make=an_analysis_request, **fields):
    """A part that holds records with these ids, or one named after its number."""
    records = [{"record_id": name, "content": f"Said in {name}."} for name in (ids or (f"p{number}",))]
    return make(records=records, part={"number": number, "of": of}, **fields)


class Desk:
    """A register, and what became of the messages that were handed in.

    Attributes:
        worked: the whole requests that were worked on.
        work: what the work does.
    """

    def __init__(self, **given):
        clock = given.pop("clock", None)
        times = {"monotonic": clock, "now": clock.now} if clock else {}
        self.register = PartsRegister(PartsSettings(**given), **times)
        self.worked = []
        self.entered = []
        self.left = []

    async def work(self, whole):
        self.worked.append(whole)

    def hand_in(self, request, **message):
        """Handle a part as a task."""
        return asyncio.create_task(self.handle(a_message(request, topic="feedback.requests", **message), request))

    async def handle(self, message, request):
        self.entered.append(message)
        async with self.register.whole(message, request) as whole:
            if whole is not None:
                await self.work(whole)
        self.left.append(message.offset)


async def test_one_works_on_all_records_in_the_order_of_the_parts_and_all_are_done_after_it():
    desk = Desk()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(whole):
        desk.worked.append(whole)
        begun.set()
        await go_on.wait()

    desk.work = work
    tasks = [desk.hand_in(a_part(number), offset=10 + number) for number in (3, 1)]
    await turns()
    assert not desk.worked
    tasks.append(desk.hand_in(a_part(2), offset=20))
    await begun.wait()
    await turns()
    assert not any(task.done() for task in tasks)

    go_on.set()
    await asyncio.gather(*tasks)
    (whole,) = desk.worked
    assert [record.record_id for record in whole.request.records] == ["p1", "p2", "p3"]
    assert whole.request.part is None
    assert [message.offset for message in whole.messages] == [11, 20, 13]
    assert desk.left[-1] == 11, "what stands first on the partition leaves last"
    assert desk.register.bytes_held == 0


async def test_a_request_of_one_part_does_not_wait():
    desk = Desk()
    await desk.hand_in(a_part(1, 1))
    assert len(desk.worked) == 1


async def test_parts_of_other_requests_tenants_and_operations_are_not_mixed():
    desk = Desk()
    tasks = [
        desk.hand_in(a_part(1, 2)),
        desk.hand_in(a_part(2, 2, request_id="another")),
        desk.hand_in(a_part(2, 2, tenant_id="another")),
        desk.hand_in(a_part(2, 2, make=a_summary_request, request_id="request-1")),
    ]
    await turns()
    assert not desk.worked
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert desk.register.bytes_held == 0


async def test_missing_parts_are_named_to_each_that_came():
    desk = Desk(wait_seconds=0.01, grace_seconds=0.01)
    tasks = [desk.hand_in(a_part(number, 9)) for number in (1, 4, 5)]
    errors = [await finishes_with(task) for task in tasks]
    assert all(isinstance(error, IncompleteRequestError) for error in errors)
    assert "Of the 9 parts" in errors[0].message
    assert "parts 2-3, 6-9 did not come" in errors[0].message
    assert desk.register.bytes_held == 0


async def test_a_part_waits_from_its_brokers_timestamp_but_never_less_than_the_grace():
    clock = FakeClock()
    desk = Desk(wait_seconds=600.0, grace_seconds=10.0, clock=clock)
    old = desk.hand_in(a_part(1, 2), timestamp=NOON - timedelta(seconds=9_000))
    young = desk.hand_in(a_part(1, 2, request_id="young"), timestamp=NOON - timedelta(seconds=100))
    await turns()
    (first, second) = desk.register._groups.values()
    assert (first.due, second.due) == (10.0, 500.0)
    for task in (old, young):
        task.cancel()
    await asyncio.gather(old, young, return_exceptions=True)


async def test_time_stands_still_while_no_message_is_read():
    clock = FakeClock()
    desk = Desk(wait_seconds=0.02, grace_seconds=0.02, clock=clock)
    with desk.register.reading_held():
        task = desk.hand_in(a_part(1, 2))
        await turns()
        clock.advance(1_000.0)
        assert not task.done()
        other = desk.hand_in(a_part(2, 2))
        await asyncio.gather(task, other)
    late = desk.hand_in(a_part(1, 2, request_id="late"))
    await turns()
    clock.advance(1.0)
    assert isinstance(await finishes_with(late), IncompleteRequestError)


async def test_a_repeat_is_done_with_the_others_and_one_that_is_delivered_again_later_at_once():
    desk = Desk()
    first, again = desk.hand_in(a_part(1, 2), offset=5), desk.hand_in(a_part(1, 2), offset=6)
    await turns()
    assert not again.done()
    await asyncio.gather(first, again, desk.hand_in(a_part(2, 2)))
    later = [desk.hand_in(a_part(1, 2), offset=offset) for offset in (5, 6)]
    await turns()
    assert all(task.done() for task in later)
    assert len(desk.worked) == 1


async def test_what_is_sent_again_as_it_was_is_answered_already():
    clock = FakeClock()
    desk = Desk(wait_seconds=600.0, grace_seconds=0.1, clock=clock)
    await asyncio.gather(desk.hand_in(a_part(1, 2)), desk.hand_in(a_part(2, 2)))
    await asyncio.gather(desk.hand_in(a_part(2, 2)), desk.hand_in(a_part(1, 2)))
    alone = desk.hand_in(a_part(2, 2))
    await turns()
    clock.advance(0.2)
    await alone
    assert len(desk.worked) == 1
    assert desk.register.bytes_held == 0


@pytest.mark.parametrize("mended_first", [True, False])
async def test_all_parts_sent_again_with_one_mended_are_a_request_anew_in_any_order(mended_first):
    desk = Desk(clock=FakeClock())
    await asyncio.gather(desk.hand_in(a_part(1, 2)), desk.hand_in(a_part(2, 2)))
    again = [a_part(1, 2, "mended"), a_part(2, 2)]
    tasks = []
    for part in again if mended_first else reversed(again):
        tasks.append(desk.hand_in(part))
        await turns()
    await turns()
    assert all(task.done() for task in tasks)
    await asyncio.gather(*tasks)
    assert [[record.record_id for record in whole.request.records] for whole in desk.worked] == [
        ["p1", "p2"],
        ["mended", "p2"],
    ]


async def test_a_repeat_takes_the_place_of_one_that_is_gone():
    desk = Desk()
    first, again = desk.hand_in(a_part(1, 2)), desk.hand_in(a_part(1, 2))
    await turns()
    first.cancel()
    await finishes_with(first)
    await asyncio.gather(again, desk.hand_in(a_part(2, 2)))
    assert len(desk.worked) == 1


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (a_part(2, 4), "part.of"),
        (a_part(2, instruction="Something else?"), "instruction"),
        (a_part(2, mode="hierarchical"), "mode"),
        (a_part(2, output_language="French"), "output_language"),
        (a_part(1, 3, "another-record"), "Part 1 of the request came before"),
    ],
)
async def test_a_part_that_does_not_fit_is_refused_and_the_others_wait_on(other, named):
    desk = Desk()
    first = desk.hand_in(a_part(1))
    await turns()
    error = await finishes_with(desk.hand_in(other))
    assert isinstance(error, WrongSchemaError)
    assert named in error.message
    assert "Something" not in error.message
    await asyncio.gather(first, *(desk.hand_in(a_part(number)) for number in (2, 3)))
    assert len(desk.worked) == 1


async def test_a_record_in_two_parts_fails_them_all():
    desk = Desk()
    tasks = [desk.hand_in(a_part(number, 2, "same")) for number in (1, 2)]
    errors = [await finishes_with(task) for task in tasks]
    assert [type(error) for error in errors] == [WrongSchemaError, FailedWithAnotherPartError]
    assert {(error.reason, error.message) for error in errors} == {
        ("wrong_schema", "Two parts of the request hold a record with the id same.")
    }


@pytest.mark.parametrize(
    ("failure", "others"),
    [
        (InvalidOutputError("No."), FailedWithAnotherPartError),
        (BrokerUnavailableError("Gone."), BrokerUnavailableError),
    ],
)
async def test_a_failure_is_that_of_every_part_and_one_alone_tells_of_it_itself(failure, others):
    desk = Desk()

    async def work(whole):
        raise failure

    desk.work = work
    tasks = [desk.hand_in(a_part(number)) for number in (2, 1, 3)]
    errors = [await finishes_with(task) for task in tasks]
    assert [type(error) for error in errors] == [others, type(failure), others]
    assert {(error.reason, error.message) for error in errors} == {(failure.reason, failure.message)}
    again = desk.hand_in(a_part(2))
    await turns()
    assert not again.done(), "what failed is not remembered as answered"
    again.cancel()


async def test_an_unknown_exception_gets_a_second_try_before_the_others_hear_of_it():
    desk = Desk()
    faults = [ZeroDivisionError(), None]

    async def work(whole):
        desk.worked.append(whole)
        if (fault := faults.pop(0)) is not None:
            raise fault

    desk.work = work
    other = desk.hand_in(a_part(2, 2))
    message, request = a_message(a_part(1, 2)), a_part(1, 2)
    with pytest.raises(ZeroDivisionError):
        await desk.handle(message, request)
    await desk.handle(message, request)
    await other
    assert len(desk.worked) == 2


async def test_a_fault_that_repeats_is_told_to_the_others_without_its_text():
    desk = Desk()

    async def work(whole):
        raise ZeroDivisionError("quotes the record")

    desk.work = work
    other = desk.hand_in(a_part(2, 2))
    message, request = a_message(a_part(1, 2)), a_part(1, 2)
    await turns()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await desk.handle(message, request)
    error = await finishes_with(other)
    assert isinstance(error, FailedWithAnotherPartError)
    assert error.reason == "internal_error"
    assert "quotes" not in str(error)


async def test_nobody_is_left_where_the_second_fault_is_met_by_a_repeat_of_part_1():
    desk = Desk(clock=FakeClock())
    faults = [asyncio.get_running_loop().create_future() for _ in range(2)]
    waiting = iter(faults)

    async def work(whole):
        await next(waiting)

    desk.work = work

    async def in_two_tries(part, offset):
        """As `Delivery` does."""
        message = a_message(part, topic="feedback.requests", offset=offset)
        try:
            await desk.handle(message, part)
        except ZeroDivisionError:
            await desk.handle(message, part)

    tasks = [
        asyncio.create_task(in_two_tries(part, offset))
        for offset, part in enumerate((a_part(1, 2), a_part(1, 2), a_part(2, 2)))
    ]
    for fault in faults:
        await turns()
        fault.set_exception(ZeroDivisionError())
    await turns()
    assert all(task.done() for task in tasks)
    assert [type(await finishes_with(task)) for task in tasks] == [FailedWithAnotherPartError] * 3
    assert (desk.register.bytes_held, desk.register._groups, desk.register._to_try_again) == (0, {}, {})


async def test_when_the_one_at_work_is_cancelled_the_others_wait_for_it_to_come_again():
    desk = Desk(wait_seconds=0.0, grace_seconds=5.0)
    begun = asyncio.Event()

    async def work(whole):
        begun.set()
        await asyncio.Event().wait()

    desk.work = work
    first, second = desk.hand_in(a_part(1, 2)), desk.hand_in(a_part(2, 2))
    await begun.wait()
    first.cancel()
    await finishes_with(first)
    await turns()
    assert not second.done()

    desk.work = Desk.work.__get__(desk)
    await asyncio.gather(second, desk.hand_in(a_part(1, 2)))
    assert len(desk.worked) == 1


async def test_bytes_are_bounded_and_what_waits_in_vain_makes_room():
    size = len(a_part(1, 9).to_bytes())
    desk = Desk(max_bytes=2 * size + size // 2)
    waiting = [desk.hand_in(a_part(number, 9)) for number in (1, 2)]
    await turns()
    assert desk.register.bytes_held == 2 * size
    error = await finishes_with(desk.hand_in(a_part(3, 9)))
    assert isinstance(error, TooManyPartsError)
    assert "smaller requests" in error.message
    assert [await finishes_with(task) for task in waiting] == [error, error]
    assert desk.register.bytes_held == 0


async def test_a_complete_request_makes_room_and_nobody_is_refused_meanwhile():
    size = len(a_part(1, 2).to_bytes())
    desk = Desk(max_bytes=2 * size + size // 2)
    go_on = asyncio.Event()

    async def work(whole):
        await go_on.wait()

    desk.work = work
    tasks = [desk.hand_in(a_part(number, 2)) for number in (1, 2)]
    await turns()
    assert not desk.register.is_short
    tasks.append(desk.hand_in(a_part(1, 2, request_id="other")))
    await turns()
    assert desk.register.is_short
    assert not any(task.done() for task in tasks)
    go_on.set()
    await asyncio.gather(*tasks[:2])
    assert not desk.register.is_short
    await asyncio.gather(tasks[2], desk.hand_in(a_part(2, 2, request_id="other")))
    assert desk.register.bytes_held == 0


async def test_a_part_that_completes_its_request_is_taken_and_even_so_there_is_a_bound():
    size = len(a_part(1, 2).to_bytes())
    desk = Desk(max_bytes=size + size // 2)
    tasks = [desk.hand_in(a_part(1, 2))]
    await turns()
    go_on = asyncio.Event()
    desk.work = lambda whole: go_on.wait()
    tasks.append(desk.hand_in(a_part(2, 2)))
    await turns()
    error = await finishes_with(desk.hand_in(a_part(1, 2, request_id="more than twice")))
    assert isinstance(error, TooManyPartsError)
    assert not any(task.done() for task in tasks)
    go_on.set()
    await asyncio.gather(*tasks)


def test_all_parts_of_a_request_have_one_result_id_and_a_whole_one_its_own():
    def answers(request):
        message = a_message(request)
        identity = identify(message.topic, message.key, message.value, message.headers)
        return identity.event_id, answers_of(request, identity).event_id

    ids = [answers(a_part(number)) for number in (1, 2, 3)]
    assert len({own for own, _ in ids}) == 3
    assert len({common for _, common in ids}) == 1
    assert answers(a_part(1, 4))[1] != ids[0][1] != answers(a_part(1, request_id="another"))[1]
    whole = an_analysis_request()
    assert answers(whole)[0] == answers(whole)[1]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 8),
    st.lists(st.integers(0, 7), max_size=6),
    st.lists(st.integers(0, 13), max_size=4),
    st.integers(),
)
def test_whatever_the_order_repeats_and_cancellations_the_work_is_done_once_and_nobody_is_left(
    of, repeats, cancelled, seed
):
    numbers = list(range(1, of + 1)) + [repeat % of + 1 for repeat in repeats]
    chance = random.Random(seed)
    chance.shuffle(numbers)

    async def story():
        desk = Desk(wait_seconds=60.0, grace_seconds=0.01)
        tasks = []
        for at, number in enumerate(numbers):
            tasks.append(desk.hand_in(a_part(number, of), offset=at))
            if chance.random() < 0.5:
                await turns(3)
            if at in cancelled and not tasks[-1].done():
                tasks[-1].cancel()
                await finishes_with(tasks[-1])
                tasks.append(desk.hand_in(a_part(number, of), offset=at))  # as after a rebalance
        await asyncio.gather(*(task for task in tasks if not task.cancelled()))
        assert len(desk.worked) == 1
        assert [record.record_id for record in desk.worked[0].request.records] == [f"p{n}" for n in range(1, of + 1)]
        assert desk.register.bytes_held == 0
        assert not desk.register._groups

    asyncio.run(story())


async def test_of_many_repeats_none_is_lost():
    desk = Desk()
    tasks = [desk.hand_in(a_part(1, 2)) for _ in range(200)]
    await until(lambda: len(desk.entered) == 200)
    await asyncio.gather(*tasks, desk.hand_in(a_part(2, 2)))
    assert len(desk.worked) == 1
