"""Kafka that is killed, frozen, far away, or refuses."""

import os
import signal
from time import time

from tests.chaos.catalogue import case
from tests.chaos.members import Member, paused
from tests.chaos.stage import Stage


async def kill_broker(stage: Stage, member: Member, seconds: float, what: str = "broker") -> None:
    """Kill the broker, start it again after so long; `recovery` from the kill, and from where its start begins.

    Recovered is what moves again on the partitions of that worker, or that judge.
    """
    held = member.partitions()
    stage.sampling = False
    await stage.fault("SIGKILL of the broker", [*(each for each in stage.workers if each is not member), member])
    killed = time()
    await stage.ground.kafka.kill()
    await paused(seconds)
    started = time()
    await stage.ground.kafka.start()
    stage.sampling = True
    taken = await stage.moving_again(f"{what} started again", held, started)
    stage.recovery.setdefault(f"{what} killed", []).append(round(taken + started - killed, 2))


@case("broker-killed", quick=True)
async def killed(stage: Stage) -> None:
    """The broker is killed under load, and started again."""
    [worker] = await stage.system()
    stage.ledger.latency = 0.1
    await stage.inputs.publish(800)
    await stage.outcomes(200)
    await kill_broker(stage, worker, 1)
    await stage.settled()


@case("recovery-of-the-broker", seconds=600)
async def recovery(stage: Stage) -> None:
    """Three times: how long until work goes on after the broker was killed and is back."""
    [worker] = await stage.system()
    stage.ledger.latency = 0.1
    for _ in range(3):
        inputs = await stage.inputs.publish(800)
        await stage.outcomes(stage.came + 200)
        await kill_broker(stage, worker, 2)
        await stage.answered(inputs)
    await stage.settled()


@case("broker-down-for-minutes", seconds=600)
async def down_for_minutes(stage: Stage) -> None:
    """The broker is away for two and a half minutes: the worker waits, and goes on by itself."""
    [worker] = await stage.system()
    stage.ledger.latency = 0.1
    await stage.inputs.publish(800)
    await stage.outcomes(200)
    await kill_broker(stage, worker, 150, "broker away for 150 s")
    await stage.settled()
    assert worker.alive


@case("broker-frozen-for-60-s", seconds=600)
async def frozen(stage: Stage) -> None:
    """SIGSTOP of the broker for 60 s, then CONT."""
    [worker] = await stage.system()
    stage.ledger.latency = 0.1
    await stage.inputs.publish(800)
    await stage.outcomes(200)
    held = worker.partitions()
    stage.sampling = False
    await stage.fault("SIGSTOP of the broker")
    os.kill(stage.ground.kafka.pid, signal.SIGSTOP)
    await paused(60)
    thawed = time()
    os.kill(stage.ground.kafka.pid, signal.SIGCONT)
    stage.sampling = True
    await stage.moving_again("broker thawed", held, thawed)
    await stage.settled()
    assert worker.alive


async def _through_the_proxy(stage: Stage) -> None:
    address = stage.ground.kafka.proxied_bootstrap_servers
    await stage.consumer(KAFKA_BOOTSTRAP_SERVERS=address)
    await stage.worker(KAFKA_BOOTSTRAP_SERVERS=address)
    await stage.warm_up()


@case("produce-response-lost", quick=True)
async def produce_response_lost(stage: Stage) -> None:
    """The broker writes what a worker sends, and its answer is lost, ten times: each message is there once."""
    proxy = stage.ground.kafka.proxy
    await _through_the_proxy(stage)
    stage.ledger.latency = 0.05
    for _ in range(10):
        inputs = await stage.inputs.publish(40)
        proxy.lose_produce_responses(1)
        await proxy.lost_one()
        await stage.answered(inputs)
    await stage.settled()


@case("blackhole")
async def blackhole(stage: Stage) -> None:
    """For 30 s the way to the broker swallows everything, and nobody is told."""
    proxy = stage.ground.kafka.proxy
    await _through_the_proxy(stage)
    stage.ledger.latency = 0.1
    await stage.inputs.publish(800)
    await stage.outcomes(200)
    [worker] = stage.workers
    await stage.fault("everything is swallowed")
    proxy.blackhole()
    await paused(30)
    opened = time()
    proxy.pass_all()
    await stage.fault("its partitions are taken away and given back")
    await stage.moving_again("way open again", worker.partitions(), opened)
    await stage.settled()


@case("slow-network")
async def slow_network(stage: Stage) -> None:
    """Every answer of the broker is 200 ms late, give or take 100."""
    stage.ground.kafka.proxy.delay(0.2, 0.1)
    await _through_the_proxy(stage)
    await stage.inputs.publish(400)
    await stage.settled()
    assert stage.ground.kafka.proxy.delayed > 100


@case("no-network-at-the-start")
async def no_network(stage: Stage) -> None:
    """Worker and consumer start while there is no broker: each says so and ends with 2; later they do their work."""
    await stage.inputs.publish(100)
    stage.sampling = False
    await stage.ground.kafka.kill()
    members = [await stage.worker(joined=False), await stage.consumer(joined=False)]
    for member in members:
        assert await member.ended() == 2
        *before, last = member.life.errors.splitlines()
        assert last.startswith("feedback: Kafka does not answer"), last
        assert not any(line.startswith("Traceback") for line in before), before
    await stage.ground.kafka.start()
    stage.sampling = True
    for member in members:
        await member.start()
    await stage.settled()
