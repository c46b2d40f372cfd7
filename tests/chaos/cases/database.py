"""PostgreSQL that is killed, locked, full or emptied, and a consumer that is killed in its worst moment."""

import asyncio
import re
from functools import partial
from time import time

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from adapters.postgres.tables import ROLLUPS
from schemas.topics import LLM_CALLS
from tests.chaos.catalogue import case
from tests.chaos.foreign import (
    a_proxy,
    all_calls_committed,
    by_way_of,
    committed_calls,
    publish_calls,
    row_count,
    rows_again,
    rows_beyond,
    stored,
    until_lost,
)
from tests.chaos.members import Member, paused
from tests.chaos.proxy import PostgresProxy
from tests.chaos.small_disk import a_small_disk
from tests.chaos.stage import Stage, fetch
from tests.integration.system_support import eventually, members

AWAY = "The database cannot take LLM calls now"
STATEMENT_SECONDS = 60
"""The consumer's own bound for one statement (adapters/postgres/engine.py)."""


@case("sink-killed", quick=True)
async def sink_killed(stage: Stage) -> None:
    """The consumer is killed three times between the database's commit and the commit of its offsets."""
    await _sink_killed(stage, 3)


@case("sink-killed-50-times", seconds=900)
async def sink_killed_fifty_times(stage: Stage) -> None:
    """The same fifty times, with batches of random size, some of them committed by the database more than once."""
    await _sink_killed(stage, 50)


async def _sink_killed(stage: Stage, times: int) -> None:
    async with a_proxy(stage) as proxy:
        consumer = await stage.consumer(DATABASE_URL=by_way_of(proxy, stage.database))
        for _ in range(times):
            await _between_the_commits(stage, proxy, consumer)
        await stage.settled()


async def _between_the_commits(stage: Stage, proxy: PostgresProxy, consumer: Member) -> None:
    """The database commits and its answers are lost: so no offset can be committed until the kill, however late."""
    before, lost = await committed_calls(stage), proxy.lost
    proxy.lose_commit_reply(None)
    calls = await publish_calls(stage, stage.random.randrange(1, 40))
    await until_lost(proxy, lost + stage.random.randrange(1, 3))
    await stage.kill(consumer)
    assert await stored(stage, calls), "no row was committed"
    assert await committed_calls(stage) == before, "an offset was committed"
    proxy.pass_all()
    await consumer.start()
    await all_calls_committed(stage)
    assert await stored(stage, calls) == len(calls)


@case("lost-commit-reply", quick=True)
async def lost_commit_reply(stage: Stage) -> None:
    """Five times the database commits a batch and its answer is lost: the batch is written again, and counts once."""
    async with a_proxy(stage) as proxy:
        consumer, _ = await asyncio.gather(
            stage.consumer(DATABASE_URL=by_way_of(proxy, stage.database)), stage.worker()
        )
        await stage.warm_up()
        await all_calls_committed(stage)
        for number in range(5):
            proxy.lose_commit_reply()
            inputs = await stage.inputs.publish(20)
            await until_lost(proxy, number + 1)
            await stage.answered(inputs)
            # Else the next loss would be one of the same batch.
            await all_calls_committed(stage)
        await stage.settled()
        assert await stage.stop(consumer) == 0
    repeated = sum(map(int, re.findall(r"stored \d+, repeated (\d+)", consumer.life.errors)))  # codings are rows, too
    assert repeated >= 5, f"{repeated} rows were written again"


@case("postgres-killed")
async def postgres_killed(stage: Stage) -> None:
    """The database server is killed under load, and started again; twice."""
    await _postgres_killed_times(stage, 2)


@case("recovery-of-postgres")
async def recovery_of_postgres(stage: Stage) -> None:
    """Three times: how long until rows arrive after the database server was killed and is back."""
    await _postgres_killed_times(stage, 3)


async def _postgres_killed_times(stage: Stage, times: int) -> None:
    await stage.system()
    stage.ledger.latency = 0.05
    for number in range(times):
        await _postgres_killed(stage)
        await stage.settled()
        if not number:  # what waited meanwhile came in batches as large as they become: from here on nothing may grow
            await stage.weighed()


async def _postgres_killed(stage: Stage) -> None:
    """While it is away all records are answered. `recovery` from the kill, and from where its start begins."""
    consumer = stage.members["consumer"]
    told, rows = consumer.life.errors.count(AWAY), await row_count(stage)
    inputs = await stage.inputs.publish(800)
    await rows_beyond(stage, rows + stage.random.randrange(100, 300))
    killed = time()
    await stage.ground.postgres.kill()
    await stage.answered(inputs)
    await eventually(lambda: consumer.life.errors.count(AWAY) > told)
    await paused(stage.random.uniform(0, 3))
    started = time()
    await stage.ground.postgres.start()
    row = await _first_row(stage, started)
    stage.recovery.setdefault("Postgres started again", []).append(round(row - started, 2))
    stage.recovery.setdefault("Postgres killed", []).append(round(row - killed, 2))
    assert consumer.alive


async def _first_row(stage: Stage, after: float) -> float:
    """When the first row after a moment came; both as time of day."""
    found: list[float] = []

    async def there() -> bool:
        rows = await fetch(stage.database, "SELECT extract(epoch FROM created_at)::float8 FROM llm_calls")
        found.extend(row[0] for row in rows if row[0] > after)
        return bool(found)

    await eventually(there)
    return min(found)


@case("postgres-away-at-the-start")
async def away_at_the_start(stage: Stage) -> None:
    """The consumer starts while there is no database server: it waits for it, with what it has read."""
    await stage.ground.postgres.kill()
    _, consumer = await asyncio.gather(stage.worker(), stage.consumer())
    await stage.answered(await stage.inputs.publish(100))
    await consumer.life.says(AWAY)
    assert set((await committed_calls(stage)).values()) <= {-1}
    started = time()
    await stage.ground.postgres.start()
    await rows_again(stage, "Postgres started", 0, started)
    # Only now the consumer has its connections.
    await stage.warm_up()
    await stage.inputs.publish(100)
    await stage.settled()
    assert len(consumer.lives) == 1
    assert consumer.alive


@case("table-locked")
async def table_locked(stage: Stage) -> None:
    """Somebody locks the table for longer than a statement may take, 65 s: the consumer waits, and goes on."""
    await stage.system()
    await stage.settled()
    consumer = stage.members["consumer"]
    other = await asyncpg.connect(stage.database)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE llm_calls IN ACCESS EXCLUSIVE MODE")
            rows = await other.fetchval("SELECT count(*) FROM llm_calls")
            await stage.answered(await stage.inputs.publish(400))
            await paused(STATEMENT_SECONDS + 5)
            assert await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"), "nobody waits for the lock"
            assert await other.fetchval("SELECT count(*) FROM llm_calls") == rows
            released = time()
        await rows_again(stage, "lock released", rows, released)
    finally:
        await other.close()
    await stage.settled()
    assert AWAY in consumer.life.errors, "no statement reached its bound"
    assert consumer.alive


@case("disk-full")
async def disk_full(stage: Stage) -> None:
    """The disk under the table is full for 20 s: the consumer waits, and stores all once there is room.

    A real file system (16 MiB in memory) where this process may mount one, as root; else a trigger gives the code that
    PostgreSQL gives then, SQLSTATE 53100.
    """
    await stage.system()
    await stage.settled()
    consumer = stage.members["consumer"]
    async with a_small_disk(stage) as disk:
        await disk.fill()
        await stage.answered(await stage.inputs.publish(400))
        await consumer.life.says(rf"{AWAY} \(DiskFullError 53100\)")
        await paused(20)
        rows = await row_count(stage)
        await stage.sightings.caught_up()
        assert rows < len(stage.sightings.calls), "all was stored"
        freed = time()
        await disk.free()
        await rows_again(stage, "room again", rows, freed)
        await stage.settled()
    assert consumer.alive


@case("table-truncated-and-replayed")
async def truncated(stage: Stage) -> None:
    """The table is emptied, and the topic read again from its beginning: every row is back, none is there twice."""
    await stage.system()
    await stage.inputs.publish(400)
    await publish_calls(stage, 400)
    await stage.settled()
    consumer, rows = stage.members["consumer"], await _ids(stage)
    assert await stage.stop(consumer) == 0
    await fetch(
        stage.database,
        f"TRUNCATE llm_calls, usage_marks, {', '.join(table.name for table in ROLLUPS)}",
    )
    await _begin_anew(stage)
    await consumer.start()
    await rows_again(stage, "all rows back", len(rows) - 1, time())
    await stage.settled()
    assert await _ids(stage) == rows


async def _ids(stage: Stage) -> list[str]:
    return [row[0] for row in await fetch(stage.database, "SELECT call_id::text FROM llm_calls ORDER BY 1")]


async def _begin_anew(stage: Stage) -> None:
    """Set the offsets of the consumer's group to where the topic begins, as an operator does with Kafka's own tools."""
    group, bootstrap = f"{stage.group}-calls", stage.ground.kafka.bootstrap_servers
    # A member with an id of its own does not say goodbye: it belongs to the group until its session has run out.
    await eventually(partial(_empty, bootstrap, group))
    ends = await stage.sightings.ends_of(LLM_CALLS.name)
    begins = {TopicPartition(*place): begin for place, (begin, _) in ends.items()}
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False) as operator:
        operator.assign(list(begins))
        await operator.commit(begins)


async def _empty(bootstrap: str, group: str) -> bool:
    return (await members(bootstrap, group))[1] == 0
