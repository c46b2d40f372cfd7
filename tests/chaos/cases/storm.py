"""Everything at once: steady load while one fault after the other hits, drawn by chance."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import monotonic

from tests.chaos.catalogue import case
from tests.chaos.members import paused
from tests.chaos.rebalances import written_down
from tests.chaos.stage import Stage

SECONDS = float(os.environ.get("CHAOS_SECONDS", "300"))
AT_ONCE = 20
"""Records that are published each second."""


@case("storm", seconds=SECONDS + 600, by_name=True)
async def storm(stage: Stage) -> None:
    """Two workers and a consumer under steady load, for CHAOS_SECONDS (300): every 5 to 15 s a fault of ten kinds."""
    await stage.system(workers=2, warm=200)
    stage.ledger.latency = 0.1
    async with written_down(stage):
        async with _load(stage):
            hit = await _hit(stage)
        stage.ledger.latency = 0.0
        await stage.settled(240)
    assert len(hit) >= SECONDS / 40, f"only {len(hit)} faults: {hit}"
    assert len(stage.inputs.sent) >= SECONDS, f"only {len(stage.inputs.sent)} inputs"
    ended = [name for name, member in stage.members.items() if not member.alive]
    assert not ended, f"ended of themselves: {ended}"


async def _hit(stage: Stage) -> list[str]:
    """Let fault after fault hit; each kind once before any comes again. Returns when which did."""
    until = monotonic() + SECONDS
    hit: list[str] = []
    while True:
        for fault in stage.random.sample(FAULTS, len(FAULTS)):
            await paused(stage.random.uniform(5, 15))
            if monotonic() >= until:
                return hit
            hit.append(f"{datetime.now(UTC):%H:%M:%S} {fault.__name__.strip('_')}")
            await fault(stage)
            # Beside the processes' logs, for whoever reads them.
            (stage.home / "faults.log").write_text("\n".join(hit), encoding="utf-8")


@asynccontextmanager
async def _load(stage: Stage) -> AsyncIterator[None]:
    """Records at a steady rate, as far as the broker takes them, until the block's last fault is over."""
    stop = asyncio.Event()
    task = asyncio.create_task(_publish(stage, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def _publish(stage: Stage, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await stage.inputs.publish(AT_ONCE)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1)


async def _worker_killed(stage: Stage, since: float | None = None) -> None:
    worker = stage.random.choice(stage.workers)
    away = stage.random.uniform(0, 3)
    await stage.kill(worker, since)
    await paused(away)
    await worker.start()


async def _consumer_killed(stage: Stage) -> None:
    consumer = stage.members["consumer"]
    # Not written down: no worker repeats anything for it.
    consumer.send(signal.SIGKILL)
    await consumer.ended()
    await consumer.start()


async def _frozen(stage: Stage) -> None:
    """Shorter than a session, or longer: where partitions move, that is written down as a rebalance."""
    member = stage.random.choice(sorted(stage.members.values(), key=lambda each: each.name))
    seconds = stage.random.uniform(5, 15)
    member.send(signal.SIGSTOP)
    await paused(seconds)
    member.send(signal.SIGCONT)


async def _broker_killed(stage: Stage) -> None:
    away = stage.random.uniform(0, 5)
    stage.sampling = False
    await stage.fault("SIGKILL of the broker")
    await stage.ground.kafka.kill()
    await paused(away)
    await stage.ground.kafka.start()
    stage.sampling = True


async def _postgres_killed(stage: Stage) -> None:
    away = stage.random.uniform(0, 5)
    await stage.ground.postgres.kill()
    await paused(away)
    await stage.ground.postgres.start()


async def _provider_failing(stage: Stage) -> None:
    stage.ledger.failing = stage.random.choice([429, 500, 503])
    await paused(stage.random.uniform(3, 10))
    stage.ledger.failing = None


async def _provider_hanging(stage: Stage) -> None:
    stage.ledger.gate.clear()
    await paused(stage.random.uniform(3, 10))
    stage.ledger.gate.set()


async def _latency_changed(stage: Stage) -> None:
    stage.ledger.latency = stage.random.uniform(0, 1)


async def _bad_inputs(stage: Stage) -> None:
    bad = stage.inputs.publish_value
    await asyncio.gather(
        *(bad(b"no JSON", reason="not_json") for _ in range(5)),
        bad(None, reason="empty_payload"),
        bad(b"{}", reason="wrong_schema"),
        bad(b'{"schema_version": 7}', reason="unknown_version"),
        stage.inputs.publish(3, reason="unknown_framework", operations=("assign_codes",), framework_id="nobody's"),
    )


async def _all_killed(stage: Stage) -> None:
    """Broker and database die together, and a worker right after them, while the provider is slow."""
    stage.ledger.latency = 1.0
    began = monotonic()
    await asyncio.gather(_broker_killed(stage), _postgres_killed(stage))
    await _worker_killed(stage, began)


Fault = Callable[[Stage], Awaitable[None]]
FAULTS: list[Fault] = [
    _worker_killed,
    _consumer_killed,
    _frozen,
    _broker_killed,
    _postgres_killed,
    _provider_failing,
    _provider_hanging,
    _latency_changed,
    _bad_inputs,
    _all_killed,
]
