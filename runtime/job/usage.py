"""The usage of a job, in the words of the read API."""

from typing import Any

from adapters.postgres.usage import PostgresUsageReader
from domain.usage import Window
from runtime import wiring
from runtime.job.job import JobReport
from runtime.settings import Settings


async def usage_of_job(settings: Settings, report: JobReport) -> dict[str, Any]:
    """What the read API's two lists would say if there were nothing but the LLM calls made for the job's records.

    On shared servers those are a part of what was used meanwhile; `from` and `to` are the job's own first and last
    moment.
    """
    window = Window(report.started_at, report.ended_at)
    async with wiring.database_engine(settings) as engine:
        by_tenant, by_operation = await PostgresUsageReader(engine).of_calls(report.calls, window)
    return {
        "from": window.start.isoformat(),
        "to": window.end.isoformat(),
        "by_tenant": [entry.model_dump(mode="json", by_alias=True) for entry in by_tenant],
        "by_operation": [entry.model_dump(mode="json", by_alias=True) for entry in by_operation],
    }
