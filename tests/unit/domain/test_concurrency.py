"""Branches of one piece of work: none is left behind, and no end of any goes unnoticed."""

import asyncio

import pytest

from domain.concurrency import together
from domain.errors import BugError, WorkerHaltedError


async def cancelled_from_within():
    shared = asyncio.get_running_loop().create_future()
    shared.cancel()
    await shared


async def fails(error):
    raise error


class Sibling:
    """Goes on until it is cancelled."""

    def __init__(self):
        self.cancelled = False
        self.began = asyncio.get_running_loop().create_future()

    async def run(self):
        self.began.set_result(asyncio.current_task())
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def test_a_cancellation_that_nobody_asked_for_is_a_bug_of_one_branch_as_of_many(caplog):
    with pytest.raises(BugError):
        await together([cancelled_from_within()])
    sibling = Sibling()
    with pytest.raises(BugError):
        await together([sibling.run(), cancelled_from_within()])
    assert sibling.cancelled
    assert "cancelled_from_within" in caplog.text


async def test_a_branch_that_a_stranger_cancels_is_a_bug_too():
    sibling = Sibling()
    end = asyncio.Event()

    async def other():
        await end.wait()

    task = asyncio.create_task(together([sibling.run(), other()]))
    (await sibling.began).cancel()
    end.set()
    with pytest.raises(BugError):
        await task


@pytest.mark.parametrize("count", [1, 2])
async def test_our_own_cancellation_and_time_limit_come_through(count):
    siblings = [Sibling() for _ in range(count)]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await together([sibling.run() for sibling in siblings])
    siblings = [Sibling() for _ in range(count)]
    task = asyncio.create_task(together([sibling.run() for sibling in siblings]))
    await siblings[-1].began
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert all(sibling.cancelled for sibling in siblings)


async def test_what_one_raises_is_no_bug_of_those_it_ends():
    sibling = Sibling()
    with pytest.raises(ZeroDivisionError):
        await together([sibling.run(), fails(ZeroDivisionError())])
    assert sibling.cancelled
    with pytest.raises(WorkerHaltedError):
        await together([Sibling().run(), fails(ZeroDivisionError()), fails(WorkerHaltedError("Enough."))])
