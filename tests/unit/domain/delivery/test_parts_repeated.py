"""Parts that come more than once, in whatever order: the work is done once, and nobody is left."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FakeClock, until
from tests.unit.domain.delivery.desk import Desk, a_part
from tests.unit.domain.delivery.setup import finishes_with, turns


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
