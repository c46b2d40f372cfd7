"""`feedback roller` as a process: two of them, one killed in the middle of its work, a database that is away."""

import asyncio
import signal

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.llm_calls import PostgresLLMCallSink
from runtime.embedded import ports
from tests.integration.system_support import eventually, feedback
from tests.integration.tls_front import with_netloc
from tests.usage_support import NOON, llm_call, migrated_database, mortal_postgres


async def figures(port: int) -> dict[str, float]:
    """What it shows, without `feedback_usage_`."""
    async with httpx.AsyncClient() as client:
        page = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    lines = (line.removeprefix("feedback_usage_").split() for line in page.splitlines() if "feedback_usage_" in line)
    return {name: float(value) for name, value in (line for line in lines if len(line) == 2)}


async def shows(port: int, **wanted: float) -> bool:
    await asyncio.sleep(0.05)  # a page costs more than a look at a variable
    found = await figures(port)
    return all(found[name] == value for name, value in wanted.items())


async def held_up(engine: AsyncEngine) -> bool:
    """Whether a roller waits to put its rollups in their place."""
    asked = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'usage_daily'::regclass")
    async with engine.connect() as connection:
        return (await connection.execute(asked)).scalar_one() == 1


async def store(engine: AsyncEngine) -> None:
    """A call of a month that is not over for long."""
    await PostgresLLMCallSink(engine).write([llm_call(timestamp=NOON, invocation_started_at=NOON)])


async def total(engine: AsyncEngine) -> int:
    asked = text("SELECT coalesce(sum(total), 0) FROM usage_daily WHERE view = 'llm_calls'")
    async with engine.connect() as connection:
        return int((await connection.execute(asked)).scalar_one())


async def test_one_leads_the_other_takes_over_when_it_is_killed_and_an_outage_ends_neither(services_mode, tmp_path):
    first, second = ports.choose(set()), ports.choose(set())
    async with (
        mortal_postgres(services_mode, tmp_path) as postgres,
        migrated_database(postgres.url) as (database, engine),
    ):
        settings = {"DATABASE_URL": database.url, "ROLL_SECONDS": 0.1}
        await store(engine)
        async with (
            engine.connect() as holding,
            feedback("roller", cwd=tmp_path, METRICS_PORT=first, **settings) as one,
        ):
            await holding.execute(text("LOCK TABLE usage_daily IN SHARE ROW EXCLUSIVE MODE"))
            await eventually(lambda: held_up(engine))
            async with feedback("roller", cwd=tmp_path, METRICS_PORT=second, **settings) as two:
                await eventually(lambda: answers(second))
                # It has looked, and left the day to the other.
                await eventually(lambda: shows(second, marked_days=1, roller_leads=0, days_rolled_total=0))
                assert await one.ends(signal.SIGKILL) == -signal.SIGKILL
                await holding.rollback()
                await eventually(lambda: shows(second, marked_days=0, roller_leads=1, days_rolled_total=1))
                assert await total(engine) == 1

                await postgres.kill()
                await two.says("WARNING .*The database cannot make rollups now .*Nothing is lost; trying again")
                assert (await figures(second))["roll_failures_total"] >= 1
                await postgres.restart()
                await store(engine)
                await eventually(lambda: shows(second, marked_days=0, days_rolled_total=2))
                assert await total(engine) == 2
                assert await two.ends(signal.SIGTERM) == 0
                assert two.out == ("Stopping: the transaction under way has 20 s (DRAIN_SECONDS) to be committed.\n")


async def answers(port: int) -> bool:
    try:
        return bool(await figures(port))
    except httpx.TransportError:
        return False


async def test_it_starts_before_the_database_and_says_what_it_may_not_do(services_mode, tmp_path):
    async with (
        mortal_postgres(services_mode, tmp_path) as postgres,
        migrated_database(postgres.url) as (database, engine),
    ):
        await store(engine)
        await postgres.kill()
        async with feedback("roller", cwd=tmp_path, DATABASE_URL=database.url, ROLL_SECONDS=0.1) as roller:
            await roller.says("WARNING .* Started without it; it is used as soon as it answers")
            await postgres.restart()

            async def rolled() -> bool:
                return await total(engine) == 1

            await eventually(rolled)
            assert await roller.ends(signal.SIGTERM) == 0
        async with engine.begin() as connection:
            await connection.execute(text("CREATE ROLE nobody LOGIN PASSWORD 'n' IN ROLE feedback_api"))
        nobodys = with_netloc(database.url, user="nobody", password="n")
        async with feedback("roller", cwd=tmp_path, DATABASE_URL=nobodys) as roller:
            assert await roller.ends() == 2
        assert "has no right to" in roller.errors
        assert "GRANT" in roller.errors
