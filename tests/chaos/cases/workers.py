"""Workers that are killed, stopped, frozen, or come and go."""

import signal
from pathlib import Path
from time import time

from tests.chaos.catalogue import case
from tests.chaos.members import paused
from tests.chaos.record import Stake
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
        killed, held = await stage.kill(worker), worker.partitions()
        await worker.start()
        await stage.moving_again("restarted", held, *killed)
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
        came = stage.came
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
    asked = stage.ledger.asked
    stage.ledger.latency = 1.0
    await stage.inputs.publish(200)
    await stage.ledger.until_asked(asked + 30)
    assert await stage.stop(worker) == 0
    assert not stage.disturbances, "it took all of its drain"
    await stage.sightings.caught_up()
    assert stage.uncommitted() == 0
    stage.ledger.latency = 0.0
    await worker.start()
    await stage.settled()
    assert len(stage.sightings.results) == 2 * len(stage.inputs.sent), "something was repeated"


@case("sigterm-hung-provider")
async def sigterm_hung_provider(stage: Stage) -> None:
    """SIGTERM while the provider answers nobody: it exits with 0 within its drain; what was open is redelivered."""
    await stage.consumer()
    worker = await stage.worker(DRAIN_SECONDS=3)
    await stage.warm_up()
    asked = stage.ledger.asked
    stage.ledger.gate.clear()
    await stage.inputs.publish(100)
    await stage.ledger.until_asked(asked + stage.in_flight)
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
    frozen.send(signal.SIGSTOP)
    # Afterwards: it goes no further, so this is all that it had at work.
    await stage.fault("SIGSTOP of a worker", [frozen])
    await stage.moving_again("frozen, and taken over", held, moment, moment + 1)
    # Its session may have ended sooner: it counts from the last heartbeat before.
    await paused(max(0, moment + SESSION_SECONDS + 1 - time()))
    assert held <= other.partitions(), "the other worker has not all that it held"
    # Until Kafka tells it, it works on what it had read.
    late = Stake(frozen.in_flight, frozenset(held))
    frozen.send(signal.SIGCONT)
    await stage.fault("SIGCONT of it", stake=late)
    await stage.settled()
    assert frozen.alive


@case("workers-join-and-leave", seconds=600)
async def join_and_leave(stage: Stage) -> None:
    """A second worker joins and leaves, ten times, under load: what is at work is finished first, nothing repeated."""
    await stage.consumer()
    first = await stage.worker("first", WORKER_INSTANCE_ID=None)
    await stage.warm_up()
    stage.ledger.latency = 0.2
    for number in range(10):
        await stage.inputs.publish(120)
        second = await stage.worker(f"second-{number}", WORKER_INSTANCE_ID=None)
        await stage.inputs.publish(120)
        assert await stage.stop(second) == 0
    await stage.settled()
    # Each join and each leave takes partitions away.
    assert first.life.errors.count("assigned partitions: ") >= 20


@case("blocked-event-loop")
async def blocked(stage: Stage) -> None:
    """A worker's event loop stands still for 20 s with calls in flight; it keeps its partitions and goes on."""
    await stage.consumer()
    worker = await stage.worker(PYTHONPATH=str(INSIDE))
    await stage.warm_up()
    stage.ledger.latency = 0.2
    await stage.inputs.publish(600)
    await stage.outcomes(100)
    # No fault is written down: nothing may be repeated.
    held, moment = worker.partitions(), time()
    worker.send(signal.SIGUSR1)
    stood_still = await stage.moving_again("blocked for 20 s", held, moment, moment + 2)
    assert stood_still > 15, "its event loop went on"
    await stage.settled()
    assert worker.alive
    assert worker.life.errors.count("assigned partitions: ") == 1, "it lost its partitions"


@case("recovery-of-workers", seconds=600)
async def recovery(stage: Stage) -> None:
    """Three times: how long until a killed worker's partitions move again, started again and taken over."""
    one, _ = await stage.system(workers=2)
    stage.ledger.latency = 0.2
    for _ in range(3):
        inputs = await stage.inputs.publish(2500)
        killed, held = await stage.kill(one), one.partitions()
        await one.start()
        await stage.moving_again("started again", held, *killed)
        killed, held = await stage.kill(one), one.partitions()
        await stage.moving_again("taken over", held, *killed)
        await one.start(joined=False)
        await stage.answered(inputs)
        await one.joined()
        await paused(1)
    await stage.settled()
