"""An input is done when everything that it caused is acknowledged, and leaves nothing behind when it is not."""

import asyncio

import pytest

from domain.delivery.tasks import acknowledged
from domain.errors import BrokerUnavailableError, ProviderRefusedError
from tests.builders import a_record
from tests.fakes import USUAL_ANSWERS, until
from tests.unit.domain.delivery.setup import CODES, SUMMARIES, Setup, finishes_with, turns


async def test_results_come_after_the_events_of_their_calls_and_nothing_returns_before_all_are_acknowledged():
    setup = Setup()
    receipts: list[asyncio.Future[None]] = []

    def open_receipt():
        receipts.append(asyncio.get_running_loop().create_future())
        return receipts[-1]

    setup.model.receipts = open_receipt
    task = asyncio.create_task(setup.handle(a_record()))
    await until(lambda: len(receipts) == 2)
    await turns()
    assert setup.publisher.acknowledged == []
    receipts[0].set_result(None)
    await until(lambda: len(setup.publisher.acknowledged) == 1)
    setup.publisher.open.clear()
    receipts[1].set_result(None)
    await turns()
    assert not task.done()
    setup.publisher.open.set()
    await task
    assert setup.publisher.counts() == {SUMMARIES: 1, CODES: 1}


async def test_a_dead_letter_comes_after_the_events_of_the_failed_attempts():
    setup = Setup(saying={"summarize": ProviderRefusedError("no")})
    receipt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    setup.model.receipts = lambda: receipt
    task = asyncio.create_task(setup.handle(a_record(operations=["summarize"])))
    await until(lambda: setup.model.asked)
    await turns()
    assert not task.done()
    assert not setup.publisher.dead_letters()
    receipt.set_exception(BrokerUnavailableError("gone"))
    assert isinstance(await finishes_with(task), BrokerUnavailableError)
    assert not setup.publisher.dead_letters()


async def test_a_dropped_receipt_is_a_broker_that_did_not_acknowledge():
    setup = Setup()
    receipt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    receipt.cancel()
    setup.model.receipts = lambda: receipt
    with pytest.raises(BrokerUnavailableError):
        await setup.handle(a_record())


async def test_an_unreachable_broker_stops_the_input_and_its_other_operations():
    setup = Setup()
    hanging = asyncio.Event()

    async def hang():
        await hanging.wait()
        return "never"

    def script(prompt, attempt):
        return hang() if prompt.operation == "assign_codes" else USUAL_ANSWERS["summarize"]

    def refuse(message):
        raise BrokerUnavailableError("gone")

    setup.model.script, setup.publisher.refuse = script, refuse
    with pytest.raises(BrokerUnavailableError):
        await setup.handle(a_record())
    assert setup.model.running == 0, "the other one was cancelled and awaited"
    assert setup.publisher.acknowledged == []


async def test_cancelling_leaves_no_task_behind():
    setup = Setup()
    hanging = asyncio.Event()

    async def hang():
        await hanging.wait()
        return "never"

    setup.model.script = lambda prompt, attempt: hang()
    before = asyncio.all_tasks()
    task = asyncio.create_task(setup.handle(a_record()))
    await until(lambda: setup.model.running == 2)
    task.cancel()
    assert isinstance(await finishes_with(task), asyncio.CancelledError)
    assert asyncio.all_tasks() == before
    assert setup.publisher.acknowledged == []


async def test_cancelling_does_not_cancel_the_receipts():
    setup = Setup()
    receipt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    setup.model.receipts = lambda: receipt
    task = asyncio.create_task(setup.handle(a_record()))
    await until(lambda: len(setup.model.asked) == 2 and not setup.model.running)
    await turns()
    task.cancel()
    await finishes_with(task)
    assert not receipt.cancelled()


async def test_receipts_that_are_added_during_the_wait_belong_to_who_adds_them():
    loop = asyncio.get_running_loop()
    first, later = loop.create_future(), loop.create_future()
    receipts = [first]
    waiting = asyncio.create_task(acknowledged(receipts))
    await asyncio.sleep(0)
    receipts.append(later)
    first.set_result(None)
    await waiting
    later.cancel()
