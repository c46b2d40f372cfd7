"""LLM calls of another service, put on `llm.calls` by a case itself; and how far they have come."""

import asyncio
from collections.abc import Iterable
from functools import partial
from time import time
from urllib.parse import urlsplit, urlunsplit

from schemas.llm_calls import LLMCall
from schemas.topics import LLM_CALLS
from tests.chaos.evidence import Partition
from tests.chaos.proxy import PostgresProxy
from tests.chaos.stage import Stage, fetch
from tests.integration.system_support import PARTITIONS, eventually
from tests.usage_support import many_calls


async def publish_calls(stage: Stage, count: int) -> list[LLMCall]:
    """Publish so many valid calls over all partitions in turn; all acknowledged. No provider knows of them."""
    calls = many_calls(count)
    stage.foreign_calls.update(str(call.call_id) for call in calls)
    sent = [
        stage.inputs.publish_value(call.to_bytes(), topic=LLM_CALLS.name, partition=number % PARTITIONS)
        for number, call in enumerate(calls)
    ]
    await asyncio.gather(*sent)
    return calls


async def a_warm_consumer(stage: Stage) -> None:
    """Where there is no worker yet: it has stored calls, and what it holds then is what it must come back to."""
    await publish_calls(stage, 60)
    await all_calls_committed(stage)
    await stage.weighed()


async def row_count(stage: Stage) -> int:
    """How many rows there are."""
    return int((await fetch(stage.database, "SELECT count(*) FROM llm_calls"))[0][0])


async def stored(stage: Stage, calls: Iterable[LLMCall]) -> int:
    """How many of the calls have a row."""
    rows = {row[0] for row in await fetch(stage.database, "SELECT call_id FROM llm_calls")}
    return sum(call.call_id in rows for call in calls)


async def committed_calls(stage: Stage) -> dict[Partition, int]:
    """The offsets of the consumer's group."""
    offsets = await stage.admin.list_consumer_group_offsets(f"{stage.group}-calls")
    return {(tp.topic, tp.partition): at.offset for tp, at in offsets.items()}


async def all_calls_committed(stage: Stage, seconds: float = 60) -> None:
    """Return once the consumer has committed all that stands on `llm.calls`."""

    async def done() -> bool:
        committed, ends = await committed_calls(stage), await stage.sightings.ends_of(LLM_CALLS.name)
        return all(committed.get(place, begin) >= end for place, (begin, end) in ends.items())

    await eventually(done, seconds)


async def rows_beyond(stage: Stage, count: int, seconds: float = 120) -> None:
    """Return once there are more rows."""

    async def more() -> bool:
        return await row_count(stage) > count

    await eventually(more, seconds)


async def rows_again(stage: Stage, what: str, beyond: int, since: float) -> None:
    """Wait until there are more rows than `beyond`; seconds from `since` (time of day) are kept in `recovery`."""
    await rows_beyond(stage, beyond)
    stage.recovery.setdefault(what, []).append(round(time() - since, 2))


def a_proxy(stage: Stage) -> PostgresProxy:
    """A proxy before the database server."""
    parts = urlsplit(stage.database)
    assert parts.hostname is not None
    assert parts.port is not None
    return PostgresProxy(parts.hostname, parts.port, rng=stage.random)


def by_way_of(proxy: PostgresProxy, database: str) -> str:
    """The URL of the same database through the proxy."""
    parts = urlsplit(database)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@{proxy.address}"))


async def until_lost(proxy: PostgresProxy, count: int, seconds: float = 60) -> None:
    """Return once the proxy has lost so many answers in all."""
    async with asyncio.timeout(seconds):
        await proxy.until(partial(_lost, proxy, count))


def _lost(proxy: PostgresProxy, count: int) -> bool:
    return proxy.lost >= count
