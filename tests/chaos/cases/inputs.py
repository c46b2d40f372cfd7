"""Inputs that nobody should send, and results that fit nowhere."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.topics import FRAMEWORKS, REQUESTS, SUMMARIES
from tests.builders import TENANT, a_framework, a_summary_request, an_analysis_request
from tests.chaos.catalogue import case
from tests.chaos.evidence import Input
from tests.chaos.foreign import a_warm_consumer
from tests.chaos.ledger import mark
from tests.chaos.members import Member
from tests.chaos.records import send, value_of
from tests.chaos.stage import Stage
from tests.integration.system_support import PARTITIONS

HALTED = 3
"""The exit code of a worker that stops because going on would do harm."""

_NEAR_THE_LIMIT = 1_030_000
"""Bytes that do not compress; Kafka takes 1,048,588 in one batch."""


@case("bad-inputs", quick=True)
async def bad(stage: Stage) -> None:
    """All kinds of bad inputs, odd keys and headers, each among good ones on every partition."""
    await stage.system()
    kinds = _bad_values(stage)
    # What compresses well may be more than its dead letter can carry.
    await stage.inputs.publish_value(_too_much(stage), reason="too_large", tenant=TENANT, uncarried=True)
    # Messages of megabytes need room that is kept: what counts is that the next ones need no more.
    await stage.inputs.publish_value(stage.random.randbytes(_NEAR_THE_LIMIT), reason="not_json")
    await stage.answered()
    await stage.warm_up()  # with the connections that good answers leave open
    await stage.inputs.publish_value(_too_much(stage), reason="too_large", tenant=TENANT, uncarried=True)
    for number, (value, reason, tenant) in enumerate(kinds):
        await stage.inputs.publish(1, partition=number % PARTITIONS)
        await stage.inputs.publish_value(
            value, reason=reason, tenant=tenant, key=b"\xff\x00", headers=_odd(stage), partition=number % PARTITIONS
        )
        await stage.inputs.publish(1, partition=number % PARTITIONS)
    await _odd_but_good(stage)
    await _requests(stage)
    await stage.settled()
    assert len(stage.sightings.letters) == len(kinds) + 4


def _bad_values(stage: Stage) -> list[tuple[bytes | None, str, str | None]]:
    """Bytes, the reason of their dead letter, and whose they are, where that can be read."""

    raw = partial(_raw, stage)
    canary = stage.inputs.canary.encode()
    return [
        (b"{oops " + canary, "not_json", None),
        (b'{"tenant_id": "caf\xe9"}' + canary, "not_json", None),
        (b"[" * 5000 + b"]" * 5000, "not_json", None),
        (b"", "empty_payload", None),
        (None, "empty_payload", None),
        (b"null", "not_json", None),
        (raw(schema_version=2), "unknown_version", TENANT),
        (raw(content=7), "wrong_schema", TENANT),
        (raw(tenant_id=None), "wrong_schema", None),
        (raw(record_id=""), "wrong_schema", TENANT),
        (raw(record_id="a\x00b"), "wrong_schema", TENANT),
        (raw(content=" \n\t\u00a0"), "blank_content", TENANT),
        (raw(content="\u6c34" * 100_001), "too_large", TENANT),
        (stage.random.randbytes(_NEAR_THE_LIMIT), "not_json", None),
    ]


def _too_much(stage: Stage) -> bytes:
    return _raw(stage, content="\u6c34" * 100_001, metadata={"padding": "x" * 3_000_000})


def _raw(stage: Stage, **fields: Any) -> bytes:
    """A record with these fields instead of its own; without those that are None."""
    record = json.loads(value_of(stage, "bad")) | fields
    return json.dumps({name: value for name, value in record.items() if value is not None}).encode()


def _odd(stage: Stage) -> tuple[tuple[str, bytes], ...]:
    """Headers as nobody should send them; who the input is, is told all the same."""
    number = str(len(stage.inputs.sent)).encode()
    return ("ce_source", b"odd"), ("ce_id", number), ("x-crm", b"\xff\x00"), ("x-crm", stage.inputs.canary.encode())


async def _odd_but_good(stage: Stage) -> None:
    """As large as Kafka takes, without a key, without headers, with ids that come back as they were."""
    # In base64 it is compressed to just what it was.
    padding = base64.b64encode(stage.random.randbytes(_NEAR_THE_LIMIT)).decode()
    await send(stage, f"{stage.group}-padded", metadata={"padding": padding})
    for number, key in enumerate([None, b"", b"\xff" * 300]):
        await send(stage, f"{stage.group}-key-{number}", key=key, headers=())
    for number, odd in enumerate(["\U0001f6b0", "a\tb", "\u202ertl", "'; DROP TABLE llm_calls; --"]):
        await send(stage, f"{stage.group}-{number}-{odd}", headers=_odd(stage), key=odd.encode())


async def _requests(stage: Stage) -> None:
    """An analysis, one without records, a summary over records, and a screening."""
    request_id = f"{stage.group}-request"
    texts = [{"record_id": "a", "content": f"The tap is dry. {stage.inputs.canary} {mark(request_id)}"}]
    analysis = an_analysis_request(request_id=request_id, records=texts).to_bytes()
    publish = stage.inputs.publish_value
    await publish(analysis, operations=("analyze",), tenant=TENANT, topic=REQUESTS.name)
    without = json.dumps(json.loads(analysis) | {"records": []}).encode()
    await publish(without, reason="wrong_schema", tenant=TENANT, topic=REQUESTS.name)
    summary_id = f"{stage.group}-summary"
    texts = [{"record_id": "a", "content": f"The tap is dry. {stage.inputs.canary} {mark(summary_id)}"}]
    aggregate = a_summary_request(request_id=summary_id, records=texts).to_bytes()
    await publish(aggregate, operations=("summarize_aggregate",), tenant=TENANT, topic=REQUESTS.name)
    await stage.inputs.publish(1, operations=("detect_sensitive", "summarize"))


@case("output-over-limit", quick=True)
async def output_over_limit(stage: Stage) -> None:
    """Summaries so long that their topic does not take them are dead letters; codings and neighbours are unharmed."""
    async with _narrow(stage, SUMMARIES.name, 2500):
        await stage.system()
        for number in range(8):
            await stage.inputs.publish(5)
            await send(stage, f"{stage.group}-long-{number}", "\U0001f6b0\U0001f6b1" * 450, reason="too_large")
        await stage.settled()
    assert Counter(letter.operation for letter in stage.sightings.letters) == {"summarize": 8}


@asynccontextmanager
async def _narrow(stage: Stage, topic: str, limit: int) -> AsyncIterator[None]:
    """The topic takes batches of so many bytes only."""

    async def to(size: int) -> None:
        config = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": str(size)})
        await stage.admin.alter_configs([config])

    await to(limit)
    try:
        yield
    finally:
        await to(1_048_588)


@case("all-inputs-bad")
async def all_bad(stage: Stage) -> None:
    """Nothing but bad inputs: the worker halts, twice, and leaves the rest unread, until it is told to go on."""
    await stage.consumer()
    await a_warm_consumer(stage)
    sent = await asyncio.gather(
        *(
            stage.inputs.publish_value(b"{" + str(number).encode(), reason="not_json", partition=number % PARTITIONS)
            for number in range(1000)
        )
    )
    worker = await stage.worker(DEAD_LETTER_SHARE=0.5)
    await _halts(stage, worker)
    await worker.start()
    await _halts(stage, worker)
    assert 200 <= len(stage.sightings.letters) < len(sent) // 2, "it drains the topic"
    await stage.inputs.publish(100)
    worker.environment["DEAD_LETTER_SHARE"] = 1
    await worker.start()
    await stage.settled()


async def _halts(stage: Stage, worker: Member) -> None:
    assert await worker.ended() == HALTED, worker.life.errors
    said = worker.life.errors
    assert "\nTraceback" not in said
    assert "outcomes were dead letters" in said.splitlines()[-1]
    await stage.fault("the worker halts", [worker])
    await stage.sightings.caught_up()


@case("duplicate-inputs", quick=True)
async def duplicates(stage: Stage) -> None:
    """The same event two or three times, on its partition and on others: one effective outcome each."""
    await stage.system()
    stage.ledger.latency = 0.1
    times: Counter[str] = Counter()
    for number in range(60):
        own = stage.random.randrange(PARTITIONS)
        headers = (("ce_source", stage.group.encode()), ("ce_id", f"twice-{number}".encode()))
        for again in range(stage.random.choice([2, 3])):
            given = await _again(stage, number, own if again == 1 else stage.random.randrange(PARTITIONS), headers)
            times[given.event_id] += 1
        await stage.inputs.publish(1)
    await stage.settled()
    assert len(times) == 60
    came = Counter(result.result_id for result in stage.sightings.results)
    assert set(came.values()) == {1, 2, 3}
    assert sum(came.values()) == 2 * len(stage.inputs.sent)


async def _again(stage: Stage, number: int, partition: int, headers: tuple[tuple[str, bytes], ...]) -> Input:
    """Every third one says nothing of who it is: its topic, key and value do."""
    told = () if number % 3 == 0 else headers
    return await send(stage, f"{stage.group}-twice-{number}", headers=told, partition=partition)


@case("unknown-framework")
async def unknown_framework(stage: Stage) -> None:
    """Records before their framework wait for it; where it never comes, only the coding is given up."""
    await stage.consumer()
    await stage.worker(FRAMEWORK_WAIT_SECONDS=15)
    await stage.warm_up()
    late, never = f"{stage.group}-late", f"{stage.group}-never"
    waiting = await stage.inputs.publish(60, framework_id=late)
    await stage.inputs.publish(40, framework_id=never, reason="unknown_framework")
    for number in range(8):  # what another tenant calls so is another framework
        await send(
            stage, f"{stage.group}-foreign-{number}", tenant_id="else", framework_id=late, reason="unknown_framework"
        )
    await stage.answered(await stage.inputs.publish(60))
    assert all(stage.sightings.open[given.event_id] == {"assign_codes"} for given in waiting)
    framework = a_framework(framework_id=late)
    key = framework.key.encode()
    await stage.inputs.producer.send_and_wait(FRAMEWORKS.name, framework.to_bytes(), key=key)
    await stage.answered(waiting)
    await stage.settled()
    # A compacted topic outlives its case.
    await stage.inputs.producer.send_and_wait(FRAMEWORKS.name, None, key=key)
