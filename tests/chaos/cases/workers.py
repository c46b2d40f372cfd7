"""Workers that are killed, stopped, frozen, or come and go."""

import signal
from pathlib import Path
from time import time

from tests.chaos.catalogue import case
from tests.chaos.members import Member, paused
from tests.chaos.stage import Stage

INSIDE = Path(__file__).parents[1] / "inside"
SESSION_SECONDS = 10.0
"""After so long without a heartbeat Kafka gives a worker's partitions to others (streams/settings.py)."""


@case("worker-killed", quick=True)
async def killed(stage: Stage) -> None:
    """A worker is killed three times with calls in flight, and started again."""
    await _killed(stage, 3)


@case("worker-killed-20-times", seconds=600)
async def killed_twenty_times(stage: Stage) -> None:
    """The same twenty times, at random moments."""
    await _killed(stage, 20)


async def _killed(stage: Stage, times: int) -> None:
    [worker] = await stage.system()
    stage.ledger.latency = 0.1
    await stage.inputs.publish(80 * times + 80)
    for number in range(times):
        await stage.outcomes(number * 160 + stage.random.randrange(1, 150))
        moment, held = await stage.kill(worker), worker.partitions()
        await worker.start()
        await stage.moving_again("restarted", held, moment)
    await stage.settled()


@case("slow-head-killed", quick=True)
async def slow_head(stage: Stage) -> None:
    """The first record of a partition is slow, the later ones are done: nothing behind it is committed; SIGKILL."""
    [worker] = await stage.system()
    await stage.answered(await stage.inputs.publish(40, partition=0))
    [head] = await stage.inputs.publish(1, "[[slow:6]]", partition=0)
    later = await stage.inputs.publish(100, partition=0)
    await stage.answered([*later, *await stage.inputs.publish(100, partition=1)])
    assert (await stage.snapshot()).committed[head.place[:2]] == head.place[2]
    await stage.kill(worker)
    await worker.start()
    await stage.settled()


@case("killed-before-the-commit")
async def killed_before_the_commit(stage: Stage) -> None:
    """SIGKILL after a result was acknowledged and before its offset was committed, three times."""
    [worker] = await stage.system()
    caught = 0
    while caught < 3:
        came = len(stage.sightings.results)
        await stage.inputs.publish(40)
        await stage.outcomes(came + stage.random.randrange(2, 40))
        await stage.kill(worker)
        await stage.sightings.caught_up()
        caught += bool(stage.uncommitted())
        await worker.start()
        await stage.answered()
    await stage.settled()


@case("sigterm-mid-call", quick=True)
async def sigterm_mid_call(stage: Stage) -> None:
    """SIGTERM with calls under way that can finish: it exits with 0, and nothing is repeated."""
    [worker] = await stage.system()
    stage.ledger.latency = 1.0
    await stage.inputs.publish(200)
    await stage.ledger.until_asked(30)
    assert await stage.stop(worker) == 0
    await stage.sightings.caught_up()
    assert stage.uncommitted() == 0
    stage.ledger.latency = 0.0
    await worker.start()
    await stage.settled()
    assert len(stage.sightings.results) == 400, "something was repeated"


@case("sigterm-hung-provider")
async def sigterm_hung_provider(stage: Stage) -> None:
    """SIGTERM while the provider answers nobody: it exits with 0 within its drain; what was open is redelivered."""
    await stage.consumer()
    worker = await stage.worker(DRAIN_SECONDS=3)
    stage.ledger.gate.clear()
    await stage.inputs.publish(100)
    await stage.ledger.until_asked(stage.in_flight)
    before = time()
    assert await stage.stop(worker, seconds=20) == 0
    stage.recovery["ended after SIGTERM"] = [round(time() - before, 2)]
    stage.ledger.gate.set()
    await worker.start()
    await stage.settled()


@case("frozen-past-its-session")
async def frozen(stage: Stage) -> None:
    """SIGSTOP for longer than the session, then CONT: the other worker takes over, and the late one harms nothing."""
    frozen, other = await stage.system(workers=2)
    stage.ledger.latency = 0.2
    await stage.inputs.publish(1500)
    await stage.outcomes(200)
    held, moment = frozen.partitions(), time()
    await stage.fault("SIGSTOP of a worker, and both are rebalanced", [frozen, other])
    frozen.send(signal.SIGSTOP)
    await stage.moving_again("taken over", held, moment + 1)
    frozen.send(signal.SIGCONT)
    await stage.fault("SIGCONT of it, and both are rebalanced", [frozen, other])
    await stage.settled()


@case("workers-join-and-leave", seconds=600)
async def join_and_leave(stage: Stage) -> None:
    """A second worker joins and leaves, ten times, under load."""
    await stage.consumer()
    first = await stage.worker("first", WORKER_INSTANCE_ID=None)
    stage.ledger.latency = 0.2
    for number in range(10):
        await stage.inputs.publish(120)
        second = await _joins(stage, first, number)
        await stage.inputs.publish(120)
        assert await stage.stop(second) == 0
        await stage.fault("the other is rebalanced", [first])
    await stage.settled()


async def _joins(stage: Stage, first: Member, number: int) -> Member:
    second = await stage.worker(f"second-{number}", joined=False, WORKER_INSTANCE_ID=None)
    await stage.fault("another one joins, and both are rebalanced", [first, second])
    await second.joined()
    return second


@case("blocked-event-loop")
async def blocked(stage: Stage) -> None:
    """A worker's event loop stands still for 20 s with calls in flight; it keeps its partitions and goes on."""
    await stage.consumer()
    worker = await stage.worker(PYTHONPATH=str(INSIDE))
    stage.ledger.latency = 0.2
    await stage.inputs.publish(600)
    await stage.outcomes(100)
    await stage.fault("the event loop stands still")
    worker.send(signal.SIGUSR1)
    held, moment = worker.partitions(), time()
    await stage.moving_again("blocked for 20 s", held, moment + 2)
    await stage.settled()
    assert worker.alive


@case("recovery-of-workers", seconds=600)
async def recovery(stage: Stage) -> None:
    """Three times: how long until a killed worker's partitions move again, started again and taken over."""
    one, two = await stage.system(workers=2)
    stage.ledger.latency = 0.2
    for _ in range(3):
        inputs = await stage.inputs.publish(2500)
        moment, held = await stage.kill(one), one.partitions()
        await one.start()
        await stage.moving_again("started again", held, moment)
        moment, held = await stage.kill(one), one.partitions()
        await stage.fault("the other is rebalanced", [two])
        await stage.moving_again("taken over", held, moment)
        await one.start(joined=False)
        await stage.fault("both are rebalanced", [one, two])
        await stage.answered(inputs)
        await one.joined()
        await paused(1)
    await stage.settled()
