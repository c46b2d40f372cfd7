"""A table `llm_calls` of any size, made by the database itself: what a year of some tenants could look like.

A year that ends with yesterday; 20 tenants, the largest with a fifth of all; five operations, two models, two versions
of each prompt; every fiftieth call fails and is tried again in the same invocation; durations log-normal.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

DAYS = 365
AT_ONCE = 250_000

_MONTHS = text(
    "SELECT ensure_llm_calls_month(month::date) "
    "FROM generate_series(date_trunc('month', CAST(:start AS date)), CAST(:start AS date) + 365, interval '1 month') "
    "AS month"
)
_ROWS = text("""
    INSERT INTO llm_calls (
        call_id, tenant_id, operation, invocation_id, invocation_started_at, "timestamp", call_duration_ms, provider,
        request_model, model, input_tokens, output_tokens, cost_usd, cost_source, status, error_class, attempt,
        http_status, prompt_version, record_id, trace_id, created_at
    )
    SELECT gen_random_uuid(), 'tenant-' || floor(20 * power(chance, 2))::int,
           (ARRAY['assign_codes', 'summarize', 'detect_sensitive', 'analyze', 'judge'])
               [1 + floor(5 * power(other, 1.5))],
           md5('invocation ' || first)::uuid, began, began + (number - first) * interval '2 seconds',
           exp(6 + random() + random() + random() - 1.5), provider, model,
           CASE WHEN NOT failed THEN model || '-2026' END,
           CASE WHEN NOT failed THEN 900 + floor(random() * 500) END,
           CASE WHEN NOT failed THEN 20 + floor(200 * random() * random()) END,
           CASE WHEN NOT failed THEN (0.0001 + random() * 0.001)::numeric(18, 12) END, 'price list',
           CASE WHEN failed THEN 'error' ELSE 'ok' END, CASE WHEN failed THEN 'RateLimitedError' END,
           1 + number - first, CASE WHEN failed THEN 429 ELSE 200 END,
           CASE WHEN share < 0.5 THEN 'v1' ELSE 'v2' END, 'record-' || first,
           replace(gen_random_uuid()::text, '-', ''), began + interval '10 seconds'
    FROM (
        SELECT number, first, failed, share, began, tenant_and_operation[1] AS chance, tenant_and_operation[2] AS other,
               CASE WHEN first % 10 < 7 THEN 'openai' ELSE 'anthropic' END AS provider,
               CASE WHEN first % 10 < 7 THEN 'gpt-x' ELSE 'claude-y' END AS model
        FROM (
            SELECT number, number - (number % 50 = 0)::int AS first, number % 50 = 49 AS failed
            FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS number
        ) AS numbered
        CROSS JOIN LATERAL (SELECT first::float8 / :rows AS share) AS shared
        CROSS JOIN LATERAL (SELECT CAST(:start AS timestamptz) + share * interval '365 days' AS began) AS dated
        CROSS JOIN LATERAL (
            SELECT ARRAY[
                (hashint8(first) & 1048575)::float8 / 1048576,
                (hashint8(first + 7777777777) & 1048575)::float8 / 1048576
            ] AS tenant_and_operation
        ) AS drawn
    ) AS made
""")


def year() -> tuple[datetime, datetime]:
    """From the first to behind the last moment of the rows: a year that ends with yesterday."""
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return end - timedelta(days=DAYS), end


async def fill(engine: AsyncEngine, rows: int, told: Callable[[int], None]) -> None:
    """Store that many calls; `told` hears how many there are, now and then."""
    start, _ = year()
    async with engine.begin() as connection:
        await connection.execute(_MONTHS, {"start": start.date()})
    for first in range(0, rows, AT_ONCE):
        last = min(first + AT_ONCE, rows) - 1
        async with engine.begin() as connection:
            await connection.execute(_ROWS, {"first": first, "last": last, "rows": rows, "start": start})
        told(last + 1)
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE llm_calls"))
