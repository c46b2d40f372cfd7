"""The usage of a job, in the words of the read API; a database that is away is asked again for a while."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiohttp

from adapters.postgres.usage.exact import PostgresUsageReader
from domain.errors import FeedbackError, UsageUnavailableError, UserError
from domain.usage.report import Window
from runtime import wiring
from runtime.job.job_report import JobReport
from runtime.job.patience import ANSWER_WITHIN_SECONDS, answered
from runtime.settings import Settings
from runtime.system.api_probe import get_json
from runtime.system.system import System


async def usage_of_job(settings: Settings, report: JobReport) -> dict[str, Any]:
    """What the read API's two lists would say if there were nothing but the LLM calls made for the job's records.

    On shared servers those are a part of what was used meanwhile; `from` and `to` are the job's own first and last
    moment.

    Raises:
        UsageUnavailableError: the database stayed away.
    """
    return await answered(partial(_of_calls, settings, report), _within(report))


async def usage_meanwhile(system: System, report: JobReport) -> tuple[Any, Any]:
    """What the read API says of the time of the job: by tenant, and by operation.

    Raises:
        UsageUnavailableError: it, or its database, stayed away.
    """
    return await answered(partial(_of_window, system, report), _within(report))


def _within(report: JobReport) -> float:
    """A database that had its time, and stayed away, is asked once more only."""
    return ANSWER_WITHIN_SECONDS if report.rows_counted else 0.0


async def _of_calls(settings: Settings, report: JobReport) -> dict[str, Any]:
    window = Window(report.started_at, report.ended_at)
    try:
        async with wiring.database_engine(settings) as engine:
            by_tenant, by_operation = await PostgresUsageReader(engine).of_calls(report.calls, window)
    except UserError as error:  # it cannot be logged in to, as it could before
        raise UsageUnavailableError(error.message) from error
    return {
        "from": _utc(window.start),
        "to": _utc(window.end),
        "by_tenant": [_rounded(entry.model_dump(mode="json", by_alias=True)) for entry in by_tenant],
        "by_operation": [_rounded(entry.model_dump(mode="json", by_alias=True)) for entry in by_operation],
    }


def _utc(moment: datetime) -> str:
    """As the entries write it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _rounded(value: Any) -> Any:
    """Without the digits that only the binary fractions of averages and percentiles have; money is text."""
    if isinstance(value, dict):
        return {name: _rounded(found) for name, found in value.items()}
    return round(value, 3) if isinstance(value, float) else value


async def _of_window(system: System, report: JobReport) -> tuple[Any, Any]:
    window = {"from": report.started_at.isoformat(), "to": report.ended_at.isoformat()}
    url = f"{system.api_url}/v1/usage/all"
    try:
        by_tenant = await get_json(f"{url}/by-tenant", system.api_key, **window)
        by_operation = await get_json(f"{url}/by-operation", system.api_key, **window)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise UsageUnavailableError(f"The API did not answer ({type(error).__name__}).") from error
    except FeedbackError as error:
        raise UsageUnavailableError(error.message) from error
    return by_tenant, by_operation
