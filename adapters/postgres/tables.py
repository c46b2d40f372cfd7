"""The tables, as they are declared. `migrations/` makes them; a test holds the two against each other."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    true,
)

from adapters.postgres.usage.columns import ALWAYS_TOLD, COUNTS, DIMENSION_NAMES, MEASURES, SUMS, TOTAL_NAMES

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMING)

llm_calls = Table(
    "llm_calls",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("invocation_id", Uuid, nullable=False),
    Column("invocation_started_at", DateTime(timezone=True), nullable=False),
    Column("timestamp", DateTime(timezone=True), nullable=False),
    Column("call_duration_ms", Double, nullable=False),
    Column("provider", Text, nullable=False),
    Column("request_model", Text, nullable=False),
    Column("model", Text),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cache_read_input_tokens", BigInteger),
    Column("reasoning_output_tokens", BigInteger),
    Column("cost_usd", Numeric(18, 12)),
    Column("cost_source", Text),
    Column("status", Text, nullable=False),
    Column("error_class", Text),
    Column("attempt", Integer, nullable=False),
    Column("http_status", Integer),
    Column("prompt_version", Text),
    Column("record_id", Text),
    Column("request_id", Text),
    Column("trace_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("recorded_cost_usd", Numeric(18, 12)),
    Column("recorded_cost_source", Text),
    Column("repriced_at", DateTime(timezone=True)),
    CheckConstraint("status IN ('ok', 'error')", name="status"),
    # One tenant's window, by either of its two times.
    Index(None, "tenant_id", "timestamp"),
    Index(None, "tenant_id", "invocation_started_at"),
    # Everyone's window: rows come in about the order of their times, so that a few pages of summary do.
    Index("ix_llm_calls_times", "timestamp", "invocation_started_at", postgresql_using="brin"),
    postgresql_partition_by='RANGE ("timestamp")',
)
"""One row per LLM call (attempt); `schemas.llm_calls.LLMCall` says what the columns mean. Written by the consumer.

Each month has a partition, `llm_calls_202611` say, in which a `call_id` is unique; `llm_calls_other` has the rest.
Triggers mark the days of what is written, changed or deleted (`usage_marks`).

A row that was repriced (`feedback reprice`) says when, and keeps the cost and its source as they were recorded; the
others have none of the three.
"""

usage_marks = Table(
    "usage_marks",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("marked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("unit IN ('day', 'week', 'month')", name="unit"),
    Index(None, "unit", "first_day", "tenant_id"),
)
"""A tenant's day, week or month, in UTC, whose rollup does not hold: rows were written since. Deleted by the roller."""


def _rollup(name: str, unit: str, dimensions: Sequence[str] = DIMENSION_NAMES) -> Table:
    """A table of rollups: `adapters.postgres.usage.columns` says what is counted, and by what."""
    counted: list[Column[Any]] = [
        *(Column(count, BigInteger, nullable=False) for count in COUNTS),
        *(Column(amount, Numeric, nullable=False) for amount in SUMS[len(COUNTS) :]),
    ]
    for measure in MEASURES:
        counted += [
            Column(f"{measure}_items", BigInteger, nullable=False),
            *(Column(f"{measure}_{part}", Numeric) for part in ("sum", "min", "max")),
            Column(f"{measure}_sketch", LargeBinary),
        ]
    return Table(
        name,
        metadata,
        Column(unit, Date, nullable=False),
        Column("view", Text, nullable=False),
        *(Column(column, Text, nullable=column not in ALWAYS_TOLD) for column in dimensions),
        *counted,
        Column("last_stored", DateTime(timezone=True), nullable=False),
        Index(None, unit, "tenant_id"),
    )


usage_daily = _rollup("usage_daily", "day")
usage_weekly = _rollup("usage_weekly", "week")
usage_monthly = _rollup("usage_monthly", "month")
"""What a tenant's calls, and invocations, of a whole day, week (from Monday) or month of UTC add up to. Written by the
roller.

`last_stored` is the latest `created_at` of all that the tenant has in that day, week or month.
"""

usage_daily_totals = _rollup("usage_daily_totals", "day", TOTAL_NAMES)
usage_weekly_totals = _rollup("usage_weekly_totals", "week", TOTAL_NAMES)
usage_monthly_totals = _rollup("usage_monthly_totals", "month", TOTAL_NAMES)
"""The same, added up: for questions that ask for nothing but tenants there is a tenth of the rows, or less, to read.

`model` is told of LLM calls without a known cost only, and null for all others. Written with the ones above.
"""

ROLLUPS = (
    *(usage_daily, usage_weekly, usage_monthly),
    *(usage_daily_totals, usage_weekly_totals, usage_monthly_totals),
)

usage_retention = Table(
    "usage_retention",
    metadata,
    Column("is_one", Boolean, primary_key=True, server_default=true()),
    Column("raw_from", Date, nullable=False),
    CheckConstraint("is_one", name="is_one"),
    CheckConstraint("extract(day FROM raw_from) = 1", name="raw_from"),
)
"""The first day, in UTC, of which there are LLM calls: earlier months were dropped (`feedback retention`), and their
rollups are all there is of them. No row: none was. `llm_calls_other` takes no row of an earlier day."""

consumer_positions = Table(
    "consumer_positions",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("end_offset", BigInteger, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
)
"""How far the consumer of LLM calls was in each partition when it told last. Written by the consumer."""

codings = Table(
    "codings",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("result_id", Uuid, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("framework_id", Text, nullable=False),
    Column("framework_version", Text, nullable=False),
    Column("code_ids", ARRAY(Text), nullable=False),
    Column("abstained", Boolean, nullable=False),
    Column("model", Text, nullable=False),
    Column("prompt_version", Text, nullable=False),
    Column("completed_at", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("result_id"),
    # Of one record; a row of an index holds 2,704 bytes, which two of the longest ids fit into, and three do not.
    Index(None, "tenant_id", "record_id"),
)
"""One row per coding (`schemas.results.CodesAssigned`): which codes, and nothing of the feedback or of the reasons.

`code_ids` are the deepest codes, best first; `abstained`: there are none. Written by the consumer.
"""

corrections = Table(
    "corrections",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("framework_id", Text, nullable=False),
    Column("framework_version", Text),
    Column("code_ids", ARRAY(Text), nullable=False),
    Column("corrected_at", DateTime(timezone=True), nullable=False),
    Column("result_id", Uuid),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("event_id"),
    # One framework's window.
    Index(None, "tenant_id", "framework_id", "corrected_at"),
)
"""One row per correction (`schemas.corrections.CodesCorrected`), without its content. Written by the consumer.

`event_id` is the event's own (`schemas.cloudevents.identify`): what is delivered, or published, again is no new row.
"""

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("dead_letter_id", Uuid, primary_key=True),
    Column("tenant_id", Text),
    Column("operation", Text),
    Column("reason", Text, nullable=False),
    Column("source_topic", Text),
    Column("result_id", Uuid),
    Column("failed_at", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # One tenant's window, and everyone's.
    Index(None, "tenant_id", "failed_at"),
    Index(None, "failed_at"),
)
"""One row per dead letter (`schemas.dead_letters.DeadLetter`), as it came first, and nothing of what it carries.
Written by the consumer.

`tenant_id`: null where nobody can tell whose it is; `operation`: null where the whole input has no answer.
"""

budget_alerts = Table(
    "budget_alerts",
    metadata,
    Column("alert_id", Uuid, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("period_end", DateTime(timezone=True), nullable=False),
    Column("event", Text, nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("webhook_at", DateTime(timezone=True)),
    Index(None, "period_end"),
)
"""One row per threshold of a budget in a period that was told of (`schemas.budgets`), its `event` as it travelled.

`webhook_at`: when a webhook took it; null: none did. Written by `feedback budgets`.
"""

budget_pauses = Table(
    "budget_pauses",
    metadata,
    Column("pause_id", Uuid, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("operation", Text),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("limit_usd", Numeric, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended_at", DateTime(timezone=True)),
    Column("sent_again_at", DateTime(timezone=True)),
    Column("inputs_since", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""One row per budget with a hard stop whose limit is spent (`domain.usage.pausing`). Written by `feedback budgets`.

`operation`: what is paused; null: all. `until`: the period's end, from which on a worker heeds it no more. `ended_at`:
since when it is over. `sent_again_at`: when what it kept from being answered was sent again; the row goes when that is
done once more, for stragglers. `inputs_since`: what was left undone earlier does not wait for it.
"""

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("prefix", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("superuser", Boolean, nullable=False),
    Column("label", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("revoked_at", DateTime(timezone=True)),
    UniqueConstraint("prefix"),
)
"""One row per key of the read API: the prefix that finds it and the SHA-256 of the whole; the key is nowhere."""
