"""The bytes of parts that wait are bounded, and what can be done makes room."""

import asyncio

from domain.errors import TooManyPartsError
from tests.unit.domain.delivery.desk import Desk, a_part
from tests.unit.domain.delivery.setup import finishes_with, turns


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
