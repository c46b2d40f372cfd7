"""Connections of the pool that died while nobody used them."""

import asyncio
from threading import Thread

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from adapters.postgres.database_errors import is_databases_fault
from adapters.postgres.engine import DatabaseSettings, connector
from adapters.postgres.liveness import IDLE_SECONDS, ask_idle_connections


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def pool(postgres):
    """An engine over two connections, and its clock."""
    clock = Clock()
    options = {"async_creator": connector(DatabaseSettings(url=postgres.url)), "pool_size": 2, "max_overflow": 0}
    engine = create_async_engine("postgresql+asyncpg://", **options)
    ask_idle_connections(engine, clock)
    try:
        yield engine, clock
    finally:
        await engine.dispose()


async def both_pids(engine: AsyncEngine) -> set[int]:
    """The server's processes behind the pool's two connections."""
    async with engine.connect() as one, engine.connect() as other:
        return {(await each.execute(text("SELECT pg_backend_pid()"))).scalar_one() for each in (one, other)}


async def end(url: str, pids: set[int]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for pid in pids:
            await connection.fetchval("SELECT pg_terminate_backend($1, 10000)", pid)
    finally:
        await connection.close()


async def test_a_connection_that_died_while_it_idled_is_replaced_and_nobody_notices(pool, postgres):
    engine, clock = pool
    before = await both_pids(engine)
    await end(postgres.url, before)
    clock.now += IDLE_SECONDS
    assert not before & await both_pids(engine)


async def test_one_that_the_driver_saw_closed_is_replaced_at_once_and_nobody_notices(pool, postgres):
    engine, _ = pool
    async with engine.connect() as one:
        driver = (await one.get_raw_connection()).driver_connection
    closed = asyncio.Event()
    driver.add_termination_listener(lambda _: closed.set())
    before = await both_pids(engine)
    await end(postgres.url, before)
    await closed.wait()
    assert not before & await both_pids(engine)


async def test_one_that_died_unseen_in_between_two_questions_fails_once_for_all_of_the_pool(pool, postgres):
    engine, _ = pool
    before = await both_pids(engine)
    ending = Thread(target=lambda: asyncio.run(end(postgres.url, before)))
    ending.start()
    ending.join()  # without a turn of this loop, which therefore has seen nothing
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the driver says; it is told from other faults below
        await both_pids(engine)
    assert is_databases_fault(caught.value)
    assert not before & await both_pids(engine)


async def test_one_that_lives_is_kept(pool):
    engine, clock = pool
    before = await both_pids(engine)
    clock.now += 10 * IDLE_SECONDS
    assert await both_pids(engine) == before
