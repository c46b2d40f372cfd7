"""Whose turn it is: nobody waits for another tenant's many questions, and everybody's turn comes."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from domain.errors import TooManyQuestionsError, UsageUnavailableError
from domain.usage.turns import Turns


class Askers:
    """Questions that are answered when told."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.at_work: list[str] = []
        self.go_on = asyncio.Event()

    async def ask(self, tenant: str) -> str:
        async with self.turns.turn(tenant):
            self.at_work.append(tenant)
            await self.go_on.wait()
        return tenant

    def start(self, *tenants: str) -> list[asyncio.Task[str]]:
        return [asyncio.create_task(self.ask(tenant)) for tenant in tenants]

    async def settled(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)


async def test_one_tenants_questions_leave_room_for_anothers():
    askers = Askers(Turns(at_once=3, of_a_tenant=2))
    tasks = askers.start(*["a"] * 10, "b")
    await askers.settled()
    assert askers.at_work == ["a", "a", "b"]
    askers.go_on.set()
    assert sorted(await asyncio.gather(*tasks)) == ["a"] * 10 + ["b"]


async def test_in_the_line_of_all_no_tenant_stands_more_than_its_few_times():
    askers = Askers(Turns(at_once=1, of_a_tenant=2))
    tasks = askers.start(*["a"] * 6, *["b"] * 2)
    await askers.settled()
    askers.go_on.set()
    await asyncio.gather(*tasks)
    assert askers.at_work[:4] == ["a", "a", "b", "b"]


async def test_who_waits_for_too_long_is_told_whose_fault_it_is():
    turns = Turns(at_once=2, of_a_tenant=1, patience_seconds=0)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(turns.turn("a"))
        with pytest.raises(TooManyQuestionsError, match="1 are answered at a time"):
            await stack.enter_async_context(turns.turn("a"))
        await stack.enter_async_context(turns.turn("b"))
        with pytest.raises(UsageUnavailableError, match="busy"):
            await stack.enter_async_context(turns.turn("c"))
    async with turns.turn("a"), turns.turn("c"):
        pass
    assert not turns._lines


async def test_no_more_than_some_may_wait():
    askers = Askers(Turns(at_once=5, of_a_tenant=2, waiting=3))
    tasks = askers.start(*["a"] * 5)
    await askers.settled()
    with pytest.raises(TooManyQuestionsError):
        await askers.ask("a")
    askers.go_on.set()
    await asyncio.gather(*tasks)
    assert await askers.ask("a") == "a"


async def test_who_gives_up_or_fails_holds_no_place():
    turns = Turns(at_once=1, of_a_tenant=1)
    askers = Askers(turns)
    first, second = askers.start("a", "a")
    await askers.settled()
    second.cancel()
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    with pytest.raises(ZeroDivisionError):
        async with turns.turn("a"):
            raise ZeroDivisionError
    async with turns.turn("a"):
        pass
    assert not turns._lines
