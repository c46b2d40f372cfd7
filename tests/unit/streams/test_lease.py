"""The lease: how long a worker may take its partitions for its own without a word of Kafka."""

import asyncio

from streams.lease import Lease


class Clock:
    seconds = 0.0

    def __call__(self):
        return self.seconds


class Coordinator:
    """Answers heartbeats as it is told, after a while."""

    def __init__(self, clock):
        self.clock, self.answers = clock, True

    async def _do_heartbeat(self):
        self.clock.seconds += 3
        return self.answers


async def test_it_holds_for_a_session_from_when_an_answered_heartbeat_was_sent():
    clock = Clock()
    lease, coordinator = Lease(10, clock), Coordinator(clock)
    lease.watch(coordinator)
    assert await coordinator._do_heartbeat()
    clock.seconds = 9.9
    assert lease.holds
    clock.seconds = 10.0
    assert not lease.holds, "the answer took three seconds of the session"


async def test_a_heartbeat_that_is_refused_renews_nothing():
    clock = Clock()
    lease, coordinator = Lease(10, clock), Coordinator(clock)
    lease.watch(coordinator)
    clock.seconds, coordinator.answers = 8.0, False
    assert not await coordinator._do_heartbeat()
    assert not lease.holds


async def test_who_waits_goes_on_once_it_holds_again():
    clock = Clock()
    lease = Lease(10, clock)
    clock.seconds = 60.0
    waiting = asyncio.create_task(lease.held())
    await asyncio.sleep(0)
    assert not waiting.done()
    lease.renew()
    async with asyncio.timeout(5):
        await waiting


def test_an_older_sign_of_life_does_not_shorten_it():
    clock = Clock()
    lease = Lease(10, clock)
    clock.seconds = 9.0
    lease.renew()
    lease.renew(2.0)
    clock.seconds = 18.0
    assert lease.holds
