"""What the API sets at the beginning of each of its transactions: on whose behalf it asks, and for how long it may.

The policies of migration 0009 read the two settings: a member of feedback_api that does not make them sees nothing.
"""

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.keys import Asker

STATEMENT_SECONDS = 30.0
"""What takes longer is given up: it would keep others from their answers."""

# What the server has for sorting by default makes it write the sketches of a large question to its disk, and compiling
# a statement takes it longer than carrying it out.
_SETTINGS = text("""
    SELECT set_config('feedback.tenant', :tenant, true), set_config('feedback.superuser', :superuser, true),
           set_config('statement_timeout', :milliseconds, true), set_config('work_mem', '64MB', true),
           set_config('jit', 'off', true)
""")


# In which partitions a statement looks is of the moment, what it sees there of the snapshot, which a SELECT takes and
# LOCK does not (PostgreSQL's manual, LOCK): held before it, no partition is made or dropped between the two.
_HOLD_CALLS = text("LOCK TABLE ONLY llm_calls IN ACCESS SHARE MODE")


async def begin_snapshot_for(connection: AsyncConnection, asker: Asker, seconds: float = STATEMENT_SECONDS) -> None:
    """As `begin_for`, for several statements about LLM calls that see the same moment.

    Raises:
        TimeoutError: the table is locked for longer than a statement may take.
    """
    await connection.execution_options(isolation_level="REPEATABLE READ")
    async with asyncio.timeout(seconds):
        await connection.execute(_HOLD_CALLS)
    await begin_for(connection, asker, seconds)


async def begin_for(connection: AsyncConnection, asker: Asker, seconds: float = STATEMENT_SECONDS) -> None:
    """Begin a transaction that shows what the asker may see.

    Args:
        connection: one that has no transaction yet. The settings end with it.
        asker: on whose behalf it asks.
        seconds: how long each of its statements may take.
    """
    given = {"tenant": asker.tenant_id, "superuser": "on" if asker.superuser else "off"}
    await connection.execute(_SETTINGS, given | {"milliseconds": str(int(seconds * 1000))})
