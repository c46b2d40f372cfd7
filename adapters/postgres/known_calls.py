"""What `llm_calls` has of an older table's rows already: under their own ids, and under others."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import UserError
from domain.usage.adopting import Adopted

# In any month, as an id is unique within one only.
_KNOWN = text('SELECT call_id, "timestamp" FROM llm_calls WHERE call_id = ANY(CAST(:ids AS uuid[]))')
_LIKE = ("tenant_id", "timestamp", "operation", "call_duration_ms", "status", "input_tokens")
_LIKE_THEM = text("""
    SELECT count(*)
    FROM unnest(CAST(:tenant_id AS text[]), CAST(:timestamp AS timestamptz[]), CAST(:operation AS text[]),
                CAST(:call_duration_ms AS float8[]), CAST(:status AS text[]), CAST(:input_tokens AS int8[]))
         AS told(tenant_id, "timestamp", operation, call_duration_ms, status, input_tokens)
    WHERE EXISTS (
        SELECT FROM llm_calls AS known
        WHERE (known.tenant_id, known."timestamp", known.operation, known.call_duration_ms, known.status)
              = (told.tenant_id, told."timestamp", told.operation, told.call_duration_ms, told.status)
          AND known.input_tokens IS NOT DISTINCT FROM told.input_tokens
          AND known.call_id <> ALL(CAST(:ids AS uuid[]))
    )
""")


async def moments_of(connection: AsyncConnection, calls: Sequence[Adopted]) -> dict[UUID, set[datetime]]:
    """The moments under which calls' ids are there, in whatever month."""
    known: dict[UUID, set[datetime]] = {}
    for call_id, moment in await connection.execute(_KNOWN, {"ids": [call.call_id for call in calls]}):
        known.setdefault(call_id, set()).add(moment)
    return known


async def check_they_are_new(connection: AsyncConnection, calls: Sequence[Adopted], table: str) -> None:
    """See that calls whose ids are not known are not there under other ids.

    Raises:
        UserError: half of them are, to the microsecond: they would count twice.
    """
    told = {name: list(map(attrgetter(name), calls)) for name in _LIKE}
    told["ids"] = [call.call_id for call in calls]  # another process may store them at this moment
    alike = (await connection.execute(_LIKE_THEM, told)).scalar_one()
    if 2 * alike > len(calls):
        raise UserError(
            f"{alike:,} of the first {len(calls):,} rows of {table} are in llm_calls already, under other ids: "
            "they would count twice.",
            "Where the table was imported before, give the --source-name that it had then (by default its "
            "schema.table); where its service publishes its calls itself, leave those out.",
        )
