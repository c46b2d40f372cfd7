"""Parts that do not go together, and work that fails: what each part hears of it."""

import asyncio

import pytest

from domain.errors import (
    BrokerUnavailableError,
    FailedWithAnotherPartError,
    InvalidOutputError,
    WrongSchemaError,
)
from tests.builders import a_message
from tests.fakes import FakeClock
from tests.unit.domain.delivery.desk import Desk, a_part
from tests.unit.domain.delivery.setup import finishes_with, turns


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
