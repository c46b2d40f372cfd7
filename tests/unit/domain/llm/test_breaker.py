"""The breaker opens for a provider that is down, probes in turn, and closes at the first answer."""

import asyncio
import time
from itertools import pairwise

import pytest

from domain.errors import ProviderMisconfiguredError, ProviderUnavailableError, RateLimitedError
from domain.llm.breaker import BreakerPolicy, CircuitBreaker, Ticket
from tests.fakes import FakeClock

DOWN = ProviderUnavailableError("down", http_status=503)


class OpenBreaker:
    """A breaker on a clock, with small real pauses between probes."""

    def __init__(self, **policy):
        self.clock = FakeClock()
        self.breaker = CircuitBreaker(BreakerPolicy(**policy), clock=self.clock)

    async def fail(self, times=1, error=DOWN, seconds=1.0, alone=False):
        for _ in range(times):
            self.breaker.failed(await self.breaker.admit(), error, alone=alone)
            self.clock.advance(seconds)
        return self.breaker


async def test_it_opens_at_the_fifth_failure_in_a_row():
    setup = OpenBreaker()
    assert not (await setup.fail(4)).is_open
    assert (await setup.fail()).is_open


async def test_failures_within_a_moment_do_not_open_it():
    setup = OpenBreaker()
    assert not (await setup.fail(50, seconds=0.01)).is_open
    setup.clock.advance(2)
    assert (await setup.fail()).is_open


async def test_an_answer_to_anyone_starts_the_count_anew():
    setup = OpenBreaker()
    breaker = await setup.fail(4)
    breaker.answered(await breaker.admit())
    assert not (await setup.fail(4)).is_open


async def test_failures_of_one_invocation_alone_do_not_count():
    assert not (await OpenBreaker().fail(50, alone=True)).is_open


async def test_rate_limits_count_only_without_a_date_to_come_back():
    assert not (await OpenBreaker().fail(20, RateLimitedError("slow", retry_after=1))).is_open
    assert (await OpenBreaker().fail(5, RateLimitedError("slow"))).is_open


async def test_while_open_fewer_than_two_inputs_are_pulled():
    setup = OpenBreaker()
    assert setup.breaker.may_pull(10_000)
    breaker = await setup.fail(5)
    assert [breaker.may_pull(n) for n in (0, 1, 2, 3)] == [True, True, False, False]


async def test_one_probe_at_a_time_in_turn_after_growing_pauses():
    breaker = CircuitBreaker(BreakerPolicy(first_probe_seconds=0.01, last_probe_seconds=0.04))
    breaker.trip(DOWN)
    turns, moments = [], [time.monotonic()]
    under_way = 0

    async def caller(name):
        nonlocal under_way
        for _ in range(3):
            ticket = await breaker.admit()
            assert ticket.probe
            turns.append(name)
            moments.append(time.monotonic())
            under_way += 1
            await asyncio.sleep(0)
            assert under_way == 1
            under_way -= 1
            breaker.failed(ticket, DOWN)

    await asyncio.gather(caller("a"), caller("b"))

    assert turns == ["a", "b", "a", "b", "a", "b"]
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    assert all(pause >= least for pause, least in zip(pauses, [0.01, 0.02, 0.04, 0.04, 0.04, 0.04], strict=True))


async def test_an_answer_closes_it_and_lets_everyone_go():
    setup = OpenBreaker(first_probe_seconds=0.0, last_probe_seconds=0.0)
    breaker = await setup.fail(5)
    probe = await breaker.admit()
    held = [asyncio.create_task(breaker.admit()) for _ in range(10)]
    await asyncio.sleep(0)
    changes = []
    breaker.watch(lambda: changes.append(breaker.is_open))

    breaker.answered(probe)

    assert not breaker.is_open
    assert changes == [False]
    assert all(ticket.held and not ticket.probe for ticket in await asyncio.gather(*held))
    assert not (await breaker.admit()).held


async def test_an_answer_to_a_call_made_before_it_opened_closes_it_too():
    setup = OpenBreaker()
    early = await setup.breaker.admit()
    breaker = await setup.fail(5)
    breaker.answered(early)
    assert not breaker.is_open


async def test_a_cancelled_caller_loses_its_turn_to_the_next():
    breaker = CircuitBreaker(BreakerPolicy(first_probe_seconds=0.01))
    breaker.trip(DOWN)
    first, second = asyncio.create_task(breaker.admit()), asyncio.create_task(breaker.admit())
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).probe


async def test_a_caller_cancelled_as_its_turn_comes_passes_it_on():
    breaker = CircuitBreaker(BreakerPolicy(first_probe_seconds=0.0))
    breaker.trip(DOWN)
    probe = await breaker.admit()
    first, second = asyncio.create_task(breaker.admit()), asyncio.create_task(breaker.admit())
    await asyncio.sleep(0)
    breaker.abandoned(probe)  # lets `first` through, which has not run yet
    first.cancel()
    assert (await second).probe


async def test_an_abandoned_probe_makes_room_for_the_next_at_once():
    setup = OpenBreaker(first_probe_seconds=0.0)
    breaker = await setup.fail(5)
    probe = await breaker.admit()
    waiting = asyncio.create_task(breaker.admit())
    await asyncio.sleep(0)
    breaker.abandoned(probe)
    assert (await waiting).probe
    assert breaker.is_open


async def test_an_outage_lasts_from_the_first_failure_to_the_next_answer():
    setup = OpenBreaker(first_probe_seconds=0.0)
    breaker = await setup.fail(4, seconds=10.0)
    assert breaker.outages() == []
    await setup.fail(seconds=0)
    assert breaker.outages() == [(0, 40)]
    setup.clock.advance(60)
    assert breaker.outages() == [(0, 100)]
    breaker.answered(await breaker.admit())
    setup.clock.advance(900)
    await setup.fail(5, seconds=2.0)
    assert breaker.outages() == [(0, 100), (1000, 1010)]
    assert breaker.outages(since=50) == [(50, 100), (1000, 1010)]
    assert breaker.outages(since=100) == [(1000, 1010)]
    assert breaker.outages(since=1010) == []


@pytest.mark.parametrize(("asked", "seconds"), [(100, 100), (1e9, 300)])
async def test_a_probe_is_not_made_before_the_time_that_the_provider_asked_for_within_reason(asked, seconds):
    setup = OpenBreaker(first_probe_seconds=0.0)
    setup.breaker.trip(RateLimitedError("slow", retry_after=asked))

    setup.clock.advance(seconds - 1)
    early = asyncio.create_task(setup.breaker.admit())
    await asyncio.sleep(0)
    early.cancel()
    await asyncio.gather(early, return_exceptions=True)
    assert early.cancelled()

    setup.clock.advance(1)
    assert (await setup.breaker.admit()).probe


async def test_only_wrong_keys_make_a_provider_unusable():
    wrong_key = ProviderMisconfiguredError("The key is refused.")
    at_once = {"first_probe_seconds": 0.0, "last_probe_seconds": 0.0}
    setup = OpenBreaker(**at_once)
    breaker = await setup.fail(5, wrong_key)
    assert breaker.is_open
    assert breaker.unusable is None, "not before 10 seconds"
    await setup.fail(5, wrong_key)
    assert breaker.unusable is wrong_key

    mixed = OpenBreaker(**at_once)
    breaker = await mixed.fail(9, wrong_key)
    await mixed.fail(1)
    assert breaker.is_open
    assert breaker.unusable is None
    await mixed.fail(5, wrong_key, seconds=3)
    assert breaker.unusable is wrong_key, "an outage that ends in refused keys is one of keys"


async def test_an_input_refused_while_another_is_at_work_makes_nobody_unusable():
    setup = OpenBreaker(first_probe_seconds=0.0, last_probe_seconds=0.0)
    breaker, wrong_key = setup.breaker, ProviderMisconfiguredError("The key is refused.")
    with breaker.at_work("a"), breaker.at_work("a"), breaker.at_work("b"):
        for caller, unusable in (("a", None), ("b", wrong_key)):
            for _ in range(20):
                breaker.failed(await breaker.admit(), wrong_key, caller=caller)
                setup.clock.advance(1)
            assert breaker.unusable is unusable


async def test_an_outage_begins_with_the_first_attempt_that_failed_after_the_last_answer():
    setup = OpenBreaker(first_probe_seconds=0.0)
    breaker, clock = setup.breaker, setup.clock
    hanging = [await breaker.admit() for _ in range(5)]
    clock.advance(10)
    breaker.answered(Ticket())
    clock.advance(50)
    for ticket in hanging:
        breaker.failed(ticket, DOWN)
    assert not breaker.is_open
    assert breaker.quiet_seconds() == 50
    clock.advance(2)
    breaker.failed(Ticket(), DOWN)
    assert breaker.is_open
    assert breaker.outages() == [(10, 62)]
    breaker.answered(Ticket())
    clock.advance(100)
    assert breaker.outages() == [(10, 62)]


async def test_inputs_at_work_that_all_fail_do_not_shut_the_others_out_for_ever():
    setup = OpenBreaker(first_probe_seconds=0.0)
    breaker = await setup.fail(5)
    assert not breaker.may_pull(10)
    setup.clock.advance(900)
    assert breaker.may_pull(10)
    assert not breaker.may_pull(11)


async def test_one_that_has_not_failed_yet_is_probed_first():
    setup = OpenBreaker(first_probe_seconds=0.0)
    breaker = await setup.fail(5)
    probe = await breaker.admit()
    old, fresh = asyncio.create_task(breaker.admit()), asyncio.create_task(breaker.admit(fresh=True))
    await asyncio.sleep(0)
    breaker.abandoned(probe)
    assert (await fresh).probe
    assert not old.done()
    old.cancel()
