"""A roller that is killed in the middle of its work, while rows are written that it counts."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from functools import partial

import asyncpg

from adapters.postgres.usage.roller import LOCK
from schemas.topics import LLM_CALLS
from tests.chaos.catalogue import case
from tests.chaos.foreign import all_calls_committed
from tests.chaos.members import Member, a_port
from tests.chaos.stage import Stage, fetch
from tests.integration.system_support import PARTITIONS, eventually
from tests.usage_support import llm_call

TIMES = 10
_WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'usage_daily'::regclass"
_AT_WORK = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK & 0xFFFFFFFF}"  # noqa: S608
_MARKED = "SELECT count(*) FROM usage_marks WHERE unit = 'day'"
_OF_ROWS = """SELECT count(*) AS calls, sum(cost_usd) AS cost, sum(input_tokens) FILTER (WHERE status = 'ok') AS tokens
    FROM llm_calls"""
_OF_DAYS = """SELECT sum(total) AS calls, sum(cost_usd) AS cost, sum(input_tokens_sum) AS tokens
    FROM usage_daily WHERE view = 'llm_calls'"""


@case("roller-killed", seconds=600)
async def roller_killed(stage: Stage) -> None:
    """The roller is killed ten times while it rolls, and rows come all the time: no total is off, and all is rolled."""
    await stage.system()
    roller = await _a_roller(stage)
    for number in range(TIMES):
        await asyncio.gather(stage.inputs.publish(30), _publish_calls(stage, 200))
        if number % 2:
            await _killed_before_its_rollups_stand(stage, roller)
        else:
            await _killed_at_work(stage, roller)
        await roller.start(joined=False)
    await stage.settled()
    await all_calls_committed(stage)
    await eventually(partial(_nothing_is_marked, stage))
    rows, days = await fetch(stage.database, _OF_ROWS), await fetch(stage.database, _OF_DAYS)
    assert dict(rows[0]) == dict(days[0]), "the rollups are not what the rows are"
    assert await stage.stop(roller) == 0


async def _a_roller(stage: Stage) -> Member:
    """One that hardly rests, at work."""
    port = a_port()
    given: dict[str, object] = {"DATABASE_URL": stage.database, "ROLL_SECONDS": 0.01, "METRICS_PORT": port}
    roller = stage.members["roller"] = Member("roller", "roller", given, stage.home, 0, stage.stack, port)
    await roller.start(joined=False)
    return roller


async def _publish_calls(stage: Stage, count: int) -> None:
    """Calls of another service, of five tenants in sixty days."""
    now, random = datetime.now(UTC), stage.random
    moments = [now - timedelta(hours=random.uniform(0, 24 * 60)) for _ in range(count)]
    calls = [
        llm_call(tenant_id=f"tenant-of-others-{random.randrange(5)}", timestamp=moment, invocation_started_at=moment)
        for moment in moments
    ]
    stage.foreign_calls.update(str(call.call_id) for call in calls)
    publish = partial(stage.inputs.publish_value, topic=LLM_CALLS.name)
    await asyncio.gather(*(publish(call.to_bytes(), partition=n % PARTITIONS) for n, call in enumerate(calls)))


async def _killed_at_work(stage: Stage, roller: Member) -> None:
    """At once when it is seen in a transaction; where that is over by then, between two of them."""
    connection = await asyncpg.connect(stage.database)
    try:
        async with asyncio.timeout(120):
            while not await connection.fetchval(_AT_WORK):
                pass  # each look is a question to the server
        await _killed(roller)
    finally:
        await connection.close()


async def _killed_before_its_rollups_stand(stage: Stage, roller: Member) -> None:
    """It has locked the marks and counted the rows, and waits to put its rollups in the place of the old ones."""
    holding = await asyncpg.connect(stage.database)
    try:
        async with holding.transaction():
            await holding.execute("LOCK TABLE usage_daily IN SHARE ROW EXCLUSIVE MODE")
            await eventually(partial(_is_one, stage, _WAITS), 120)
            await _killed(roller)
    finally:
        await holding.close()


async def _killed(roller: Member) -> None:
    roller.send(signal.SIGKILL)  # not written down: nobody repeats anything for it
    await roller.ended()


async def _is_one(stage: Stage, query: str) -> bool:
    return bool((await fetch(stage.database, query))[0][0])


async def _nothing_is_marked(stage: Stage) -> bool:
    return not await _is_one(stage, _MARKED)
