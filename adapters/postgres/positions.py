"""Keeps how far the consumer is, where the read API finds it."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.database_errors import is_databases_fault, summary
from domain.errors import SinkUnavailableError
from domain.usage.freshness import Position

# In the order of the key, so that two consumers never wait for each other in a circle. A SELECT by its answer: who
# looks for the commits of rows on the wire (tests/chaos) does not take it for one.
_KEEP = text("""
    WITH kept AS (
        INSERT INTO consumer_positions (topic, partition, next_offset, end_offset, seen_at)
        SELECT topic, partition, next_offset, end_offset, now() FROM unnest(
            CAST(:topics AS text[]), CAST(:partitions AS int[]), CAST(:nexts AS bigint[]), CAST(:ends AS bigint[])
        ) AS told(topic, partition, next_offset, end_offset)
        ORDER BY topic, partition
        ON CONFLICT (topic, partition) DO UPDATE
        SET next_offset = excluded.next_offset, end_offset = excluded.end_offset, seen_at = excluded.seen_at
        RETURNING topic
    )
    SELECT count(*) FROM kept
""")


class PostgresPositionSink:
    """Fulfils `domain.usage.freshness.PositionSink` on the table `consumer_positions`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def write(self, positions: Sequence[Position]) -> None:
        """Keep these, in the place of what was told of these partitions before.

        Raises:
            SinkUnavailableError: the database cannot take them now.
        """
        told = {
            "topics": [one.topic for one in positions],
            "partitions": [one.partition for one in positions],
            "nexts": [one.next_offset for one in positions],
            "ends": [one.end_offset for one in positions],
        }
        try:
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")  # one way there and back
                await connection.execute(_KEEP, told)
        except Exception as error:
            if is_databases_fault(error):
                raise SinkUnavailableError(f"The database cannot take positions now ({summary(error)}).") from error
            raise
