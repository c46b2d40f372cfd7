"""A provider that answers oddly, hangs, drips, is slow, refuses the key, or is away."""

import asyncio
from collections.abc import Iterable
from time import time

import psutil

from schemas.cloudevents import deterministic_id
from tests.chaos.catalogue import case
from tests.chaos.evidence import Input
from tests.chaos.foreign import a_warm_consumer
from tests.chaos.inputs import BOTH
from tests.chaos.members import Member, paused
from tests.chaos.proxy import Proxy
from tests.chaos.records import while_others_are_answered
from tests.chaos.stage import Stage, fetch
from tests.integration.system_support import eventually

HALTED = 3
"""The exit code of a worker that stops because going on would do harm."""

_GOOD_IN_THE_END = (
    *("[[ratelimit:1x2]]", "[[ratelimit-date:2x1]]", "[[ratelimitx1]]"),
    *("[[fail:500x3]]", "[[fail:503x1]][[html:502x1]]", "[[htmlx1]]", "[[html:200x1]]"),
    *("[[fail:408x1]]", "[[fail:409x1]]", "[[fail:425x1]]", "[[fail:504x1]]", "[[fail:529x1]]"),
    *("[[truncatedx1]]", "[[empty-choicesx1]]", "[[null-contentx1]]", "[[lengthx1]]", "[[invalid-jsonx1]]"),
    *("[[resetx1]]", "[[redirectx1]]", "[[fenced]]", "[[thinking]]", "[[gzip]]", "[[slow:1]]"),
    *("[[cached:7]]", "[[reasoning:2]]", "[[tier:default]]"),
)
_OTHER_MODEL = "gpt-4o-mini-2024-07-18"
_UNPRICED = (
    "[[no-usage]]",
    *(f"[[absurd-usage:{kind}]]" for kind in ("negative", "text", "huge", "cached", "bool", "list")),
)
_GIVEN_UP = {
    "invalid_output": ("[[empty-choices]]", "[[null-content]]", "[[length]]", "[[invalid-json]]"),
    "provider_refused": ("[[content-filter]]", "[[fail:400]]", "[[fail:413]]", "[[fail:422]]"),
}


@case("provider-misbehaves", quick=True)
async def misbehaves(stage: Stage) -> None:
    """Dozens of odd answers among good ones: each comes to its result or its reason, each attempt has its row."""
    await stage.system()
    publish = stage.inputs.publish
    for marker in _GOOD_IN_THE_END:
        await publish(1, marker)
    renamed = await publish(1, f"[[model:{_OTHER_MODEL.replace('-', '~')}]]")
    unpriced = [given for marker in _UNPRICED for given in await publish(1, marker)]
    for reason, markers in _GIVEN_UP.items():
        for marker in markers:
            await publish(1, marker, reason=reason)
    await publish(1, "[[unknown-id]]", operations=("assign_codes",), reason="invalid_output")
    await publish(40)
    await stage.settled()
    await _unpriced_alone(stage, unpriced)
    await _under_the_model_that_answered(stage, renamed)


async def _unpriced_alone(stage: Stage, unpriced: list[Input]) -> None:
    """What a provider says of its usage against reason is stored as unknown, in both figures and in the cost."""
    rows = await fetch(
        stage.database, "SELECT record_id, cost_source, cost_usd, input_tokens, output_tokens FROM llm_calls"
    )
    odd = [row for row in rows if row["cost_source"] in ("missing_usage", "implausible_usage")]
    assert len(odd) == len(unpriced) * len(BOTH), f"{len(odd)} rows without figures"
    assert all(row["cost_usd"] is row["input_tokens"] is row["output_tokens"] is None for row in odd)


async def _under_the_model_that_answered(stage: Stage, renamed: list[Input]) -> None:
    """Where a provider answers with another model than it was asked for, both names are stored."""
    wanted = {str(deterministic_id(given.event_id, name)) for given in renamed for name in given.operations}
    records = {result.subject for result in stage.sightings.results if result.result_id in wanted}
    rows = await fetch(stage.database, "SELECT record_id, model, request_model FROM llm_calls")
    other = [row for row in rows if row["model"] == _OTHER_MODEL]
    assert len(other) == len(wanted), f"{len(other)} rows name the model that answered"
    assert {row["record_id"] for row in other} == records
    assert all(row["request_model"] != row["model"] for row in other)


@case("provider-refuses-some")
async def refuses_some(stage: Stage) -> None:
    """Some requests alone are redirected, or refused as with a wrong key: these are given up, others answered."""
    [worker] = await stage.system()
    alone = [
        given
        for marker in ("[[redirect]]", "[[fail:401]]", "[[fail:404]]")
        for given in await stage.inputs.publish(2, marker, reason="provider_refused")
    ]
    await while_others_are_answered(stage, alone)
    await stage.settled()
    assert worker.alive
    assert not any("/elsewhere/" in seen.path for seen in stage.ledger.requests), "a redirect was followed"


@case("provider-hangs")
async def hangs(stage: Stage) -> None:
    """Some requests hang or drip for ever while others are answered: these alone pass their deadline."""
    await stage.consumer()
    await stage.worker(LLM_ATTEMPT_TIMEOUT_SECONDS=2, INVOCATION_DEADLINE_SECONDS=10)
    await stage.warm_up()
    stuck = [
        given
        for marker in ("[[hang]]", "[[drip]]")
        for given in await stage.inputs.publish(4, marker, reason="deadline_exceeded")
    ]
    once = [given for marker in ("[[hangx1]]", "[[dripx1]]") for given in await stage.inputs.publish(4, marker)]
    await while_others_are_answered(stage, [*stuck, *once])
    await stage.settled()
    abandoned = sum(served.status is None for served in stage.ledger.served())
    assert abandoned >= len(stuck) * len(BOTH) * 2, f"only {abandoned} attempts were cut off"


@case("provider-sends-50-mb")
async def sends_50_mb(stage: Stage) -> None:
    """Bodies of 50 MB, and bodies without end: memory stays bounded, these inputs are given up, others answered."""
    [worker] = await stage.system()
    # Answers of megabytes need room that is kept: what counts is that the same again needs no more.
    await stage.answered(await _too_much(stage))
    await stage.warm_up()  # with the connections that good answers leave open
    watching = asyncio.create_task(_peak(worker))
    before = psutil.Process(worker.pid).memory_info().rss
    huge = await _too_much(stage)
    await while_others_are_answered(stage, huge)
    watching.cancel()
    [peak] = await asyncio.gather(watching)
    # Eight at a time may be read up to 8 MB, and no further.
    assert peak - before < 120 * 2**20, f"it took {(peak - before) / 2**20:.0f} MB"
    await stage.settled()


async def _too_much(stage: Stage) -> list[Input]:
    """Inputs whose answers are too long, and two whose second answers are not."""
    return [
        *await stage.inputs.publish(6, "[[huge:50]]", reason="invalid_output"),
        *await stage.inputs.publish(4, "[[endless]]", reason="invalid_output"),
        *await stage.inputs.publish(2, "[[huge:50x1]]"),
    ]


async def _peak(member: Member) -> int:
    """The most resident memory that was seen, in bytes, once it is cancelled."""
    process, most = psutil.Process(member.pid), 0
    try:
        while True:
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        return most


@case("provider-401")
async def refuses_the_key(stage: Stage) -> None:
    """The key is refused to everyone: the worker halts and gives up no input; started with a good one, it goes on."""
    await stage.consumer()
    await a_warm_consumer(stage)
    stage.ledger.failing = 401
    await stage.inputs.publish(200)
    worker = await stage.worker()
    assert await worker.ended() == HALTED, worker.life.errors
    assert "\nTraceback" not in worker.life.errors
    assert worker.life.errors.splitlines()[-1].startswith("feedback: halted: ")
    await stage.fault("the worker halts", [worker])
    await stage.sightings.caught_up()
    assert stage.ledger.asked
    assert not stage.sightings.results
    assert not stage.sightings.letters
    assert not any(stage.disturbances[-1].then.committed.values())
    stage.ledger.failing = None
    moment = time()
    await worker.start()
    await stage.moving_again("started with a good key", worker.partitions(), moment)
    await stage.settled()


@case("provider-down-backlog", seconds=900)
async def down_with_a_backlog(stage: Stage) -> None:
    """The provider fails everyone, then its port is closed, with a backlog of 10,000: nothing is given up."""
    await stage.consumer()
    host, port = stage.ledger.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    async with Proxy(host, int(port), rng=stage.random) as proxy:
        worker = await stage.worker(LLM_API_BASE=f"http://{proxy.address}/v1")
        await stage.warm_up()
        stage.ledger.failing = 503
        backlog = await stage.inputs.publish(10_000)
        await _is_down(stage, worker, 1, backlog)
        moment, stage.ledger.failing = time(), None
        await stage.moving_again("provider fails all for 15 s", worker.partitions(), moment)

        await stage.outcomes(stage.came + 4000)
        # What is answered already gets through; then it is cut off.
        stage.ledger.gate.clear()
        await paused(1)
        proxy.cut()
        await eventually(lambda: not stage.ledger.under_way)
        stage.ledger.gate.set()
        await _is_down(stage, worker, 2, backlog)
        moment = time()
        proxy.pass_all()
        await stage.moving_again("provider's port closed for 15 s", worker.partitions(), moment)
        await stage.settled(600)
        assert not stage.sightings.letters


async def _is_down(stage: Stage, worker: Member, times: int, backlog: Iterable[Input]) -> None:
    """It is noticed; then nearly nobody is asked, and nobody answered or given up, for 15 s."""
    await worker.life.says(r"(?s)" + r".*".join(["Reading of input stops"] * times))
    asked, came = stage.ledger.asked, len(stage.sightings.results)
    await paused(15)
    assert 'feedback_circuit_breaker_state{state="closed"} 0.0' in await worker.scrape()
    assert stage.ledger.asked - asked <= 20, "it does not leave the provider alone"
    assert len(stage.sightings.results) == came
    assert any(given.event_id in stage.sightings.open for given in backlog)
    assert not stage.sightings.letters


@case("provider-slow-then-fast")
async def slow_then_fast(stage: Stage) -> None:
    """Slow, then slower than an attempt may take for longer than an input may take, then fast: all are answered."""
    await stage.consumer()
    worker = await stage.worker(LLM_ATTEMPT_TIMEOUT_SECONDS=3, INVOCATION_DEADLINE_SECONDS=10)
    await stage.warm_up()
    stage.ledger.latency = 2.0
    await stage.answered(await stage.inputs.publish(64))
    stage.ledger.latency = 6.0
    await stage.inputs.publish(400)
    await worker.life.says("Reading of input stops")
    await paused(20)
    assert stage.sightings.open
    assert not stage.sightings.letters
    moment, stage.ledger.latency = time(), 0.0
    await stage.moving_again("provider slower than an attempt for 20 s", worker.partitions(), moment)
    await stage.settled()
