"""LLM calls by months, marks of what changed, and rollups of whole days, weeks and months

`llm_calls` becomes a table of monthly partitions. Its rows are copied in one transaction, which takes a few minutes for
ten million. Meanwhile nobody writes them and nobody reads them: the consumer waits, as it does in any outage of the
database, and the API has no answers about usage. Both copies are on the disk until it ends. Each partition has its own
index of ids, as one over all is not to be had: an id counts once in a month, and a repeated event has the same moment.

What was granted on the table is granted on the new one. Views on it are to be dropped before, which is said at once.
Indexes, triggers, policies and publications that somebody made on it by hand go with it.

A trigger marks the days that a statement touched, whoever wrote it. A mark that is there already, and that no roller is
at work on, is used again; our lock on it makes the roller pass over it until our end, so that the mark stays.

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-23
"""

import logging
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from migrations import roles
from migrations.replacing import carry_grants, check_dependents

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None

logger = logging.getLogger("migrations")  # Alembic names this module after its file

MOMENT = sa.DateTime(timezone=True)

_CALLS = (
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("call_id", sa.Uuid, nullable=False),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("invocation_id", sa.Uuid, nullable=False),
    sa.Column("invocation_started_at", MOMENT, nullable=False),
    sa.Column("timestamp", MOMENT, nullable=False),
    sa.Column("call_duration_ms", sa.Double, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("request_model", sa.Text, nullable=False),
    sa.Column("model", sa.Text),
    sa.Column("input_tokens", sa.BigInteger),
    sa.Column("output_tokens", sa.BigInteger),
    sa.Column("cache_read_input_tokens", sa.BigInteger),
    sa.Column("reasoning_output_tokens", sa.BigInteger),
    sa.Column("cost_usd", sa.Numeric(18, 12)),
    sa.Column("cost_source", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("error_class", sa.Text),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("http_status", sa.Integer),
    sa.Column("prompt_version", sa.Text),
    sa.Column("record_id", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Column("trace_id", sa.Text),
    sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
)
_NAMES = ", ".join(f'"{column.name}"' for column in _CALLS)

# Rows of months that have no partition go to the one for all others, and are moved when theirs is made.
_ENSURE_MONTH = """
CREATE FUNCTION ensure_llm_calls_month(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    first date := date_trunc('month', day)::date;
    name text := 'llm_calls_' || to_char(first, 'YYYYMM');
    since timestamptz := first::timestamp AT TIME ZONE 'UTC';
    behind timestamptz := (first + interval '1 month')::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN false;
    END IF;
    LOCK TABLE llm_calls_other IN ACCESS EXCLUSIVE MODE;
    IF to_regclass(name) IS NOT NULL THEN  -- by somebody else, while we waited
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE llm_calls INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    EXECUTE format(
        'WITH moved AS (DELETE FROM llm_calls_other WHERE "timestamp" >= %L AND "timestamp" < %L RETURNING *) '
        'INSERT INTO %I SELECT * FROM moved', since, behind, name);
    EXECUTE format('CREATE UNIQUE INDEX %I ON %I (call_id)', 'uq_' || name || '_call_id', name);
    EXECUTE format('ALTER TABLE llm_calls ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, since, behind);
    RETURN true;
END $$"""

# As `_ENSURE_MONTH` does it, for the months that are copied, and their indexes behind that.
_CREATE_MONTHS = """
DO $$ DECLARE first date; BEGIN
    FOR first IN SELECT DISTINCT date_trunc('month', "timestamp" AT TIME ZONE 'UTC')::date FROM llm_calls_before LOOP
        EXECUTE format(
            'CREATE TABLE llm_calls_%s PARTITION OF llm_calls FOR VALUES FROM (%L) TO (%L)', to_char(first, 'YYYYMM'),
            first::timestamp AT TIME ZONE 'UTC', (first + interval '1 month')::timestamp AT TIME ZONE 'UTC');
    END LOOP;
END $$"""
_INDEX_IDS = """
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
                WHERE inhparent = 'llm_calls'::regclass LOOP
        EXECUTE format('CREATE UNIQUE INDEX %I ON %I (call_id)', 'uq_' || name || '_call_id', name);
    END LOOP;
END $$"""

_MARK = """
CREATE FUNCTION mark_llm_calls_usage() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO usage_marks (tenant_id, unit, first_day)
    SELECT tenant_id, 'day', day FROM (
        SELECT tenant_id, ("timestamp" AT TIME ZONE 'UTC')::date AS day FROM changed
        UNION
        SELECT tenant_id, (invocation_started_at AT TIME ZONE 'UTC')::date FROM changed
    ) AS touched
    WHERE NOT EXISTS (
        SELECT FROM usage_marks AS mark
        WHERE mark.unit = 'day' AND mark.first_day = touched.day AND mark.tenant_id = touched.tenant_id
        FOR KEY SHARE SKIP LOCKED
    );
    RETURN NULL;
END $$"""

# As the triggers would, if they were told of each row that is copied.
_MARK_ALL = """
INSERT INTO usage_marks (tenant_id, unit, first_day)
SELECT tenant_id, 'day', ("timestamp" AT TIME ZONE 'UTC')::date AS day FROM llm_calls
UNION
SELECT tenant_id, 'day', (invocation_started_at AT TIME ZONE 'UTC')::date FROM llm_calls
ORDER BY day, tenant_id"""

# The functions have the owner's rights: they find our tables, not temporary ones of the same name that have triggers,
# and nobody else hangs them on other tables.
_CONFINE = """
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION {function} SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION {function} FROM PUBLIC;
END $$"""

_TRIGGERS = [
    f"CREATE TRIGGER mark_{name} AFTER {event} ON llm_calls REFERENCING {which} TABLE AS changed "
    "FOR EACH STATEMENT EXECUTE FUNCTION mark_llm_calls_usage()"
    for name, event, which in (
        ("inserted", "INSERT", "NEW"),
        ("deleted", "DELETE", "OLD"),
        ("before_update", "UPDATE", "OLD"),
        ("after_update", "UPDATE", "NEW"),
    )
]

_DIMENSIONS = ("tenant_id", "operation", "model", "provider", "status", "error_class", "prompt_version")
_OF_TOTALS = ("tenant_id", "model", "status")
_ALWAYS_TOLD = ("tenant_id", "operation", "status")
_UNITS = {"usage_daily": "day", "usage_weekly": "week", "usage_monthly": "month"}
_ROLLUPS = (*_UNITS, *(f"{table}_totals" for table in _UNITS))

# What is granted is what `adapters.postgres.rights` asks for, as it was in this release.
_ROLLER_GRANTS = (
    "SELECT ON alembic_version, llm_calls",
    f"SELECT, INSERT, DELETE ON {', '.join(_ROLLUPS)}",
    # FOR UPDATE asks for the right to update.
    "SELECT, INSERT, UPDATE, DELETE ON usage_marks",
    "EXECUTE ON FUNCTION ensure_llm_calls_month",
)
_GRANTS = {
    "feedback_consumer": ("INSERT ON llm_calls",),
    "feedback_api": (f"SELECT ON llm_calls, usage_marks, {', '.join(_ROLLUPS)}",),
    "feedback_roller": _ROLLER_GRANTS,
}


def upgrade() -> None:
    check_dependents("llm_calls")
    op.execute("ALTER TABLE llm_calls RENAME TO llm_calls_before")
    _create_partitioned()
    op.execute(f"INSERT INTO llm_calls ({_NAMES}) OVERRIDING SYSTEM VALUE SELECT {_NAMES} FROM llm_calls_before")
    op.execute("SELECT setval(pg_get_serial_sequence('llm_calls', 'id'), max(id)) FROM llm_calls HAVING count(*) > 0")
    carry_grants("llm_calls_before", "llm_calls")
    op.drop_table("llm_calls_before")
    # After the copy: an index that is made at once is made quicker, and so are marks.
    op.execute(_INDEX_IDS)
    _create_indexes()
    _create_rollups()
    op.execute(_MARK_ALL)
    op.execute("SELECT ensure_llm_calls_month((now() + n * interval '1 month')::date) FROM generate_series(-1, 1) AS n")
    _grant()


def _create_partitioned() -> None:
    op.create_table(
        "llm_calls",
        *(column._copy() for column in _CALLS),
        sa.CheckConstraint("status IN ('ok', 'error')", name=op.f("ck_llm_calls_status")),
        postgresql_partition_by='RANGE ("timestamp")',
    )
    op.execute("CREATE TABLE llm_calls_other PARTITION OF llm_calls DEFAULT")
    op.execute(_ENSURE_MONTH)
    op.execute(_CONFINE.format(function="ensure_llm_calls_month"))
    op.execute(_CREATE_MONTHS)


def _create_indexes() -> None:
    op.create_index("ix_llm_calls_tenant_id_timestamp", "llm_calls", ["tenant_id", "timestamp"])
    op.create_index("ix_llm_calls_tenant_id_invocation_started_at", "llm_calls", ["tenant_id", "invocation_started_at"])
    op.create_index("ix_llm_calls_times", "llm_calls", ["timestamp", "invocation_started_at"], postgresql_using="brin")


def _counted(dimensions: Sequence[str]) -> list[sa.Column[Any]]:
    """What a rollup counts, and by what."""
    numeric, number = sa.Numeric(), sa.BigInteger()
    columns: list[sa.Column[Any]] = [
        sa.Column("view", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text, nullable=name not in _ALWAYS_TOLD) for name in dimensions),
        *(sa.Column(name, number, nullable=False) for name in ("total", "attempts", "late", "unpriced")),
        sa.Column("cost_usd", numeric, nullable=False),
        *(sa.Column(f"{name}_tokens", numeric, nullable=False) for name in ("cache_read_input", "reasoning_output")),
    ]
    for measure in ("duration_us", "input_tokens", "output_tokens"):
        columns += [
            sa.Column(f"{measure}_items", number, nullable=False),
            *(sa.Column(f"{measure}_{part}", numeric) for part in ("sum", "min", "max")),
            sa.Column(f"{measure}_sketch", sa.LargeBinary),
        ]
    return [*columns, sa.Column("last_stored", MOMENT, nullable=False)]


def _create_rollups() -> None:
    op.create_table(
        "usage_marks",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("first_day", sa.Date, nullable=False),
        sa.Column("marked_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="pk_usage_marks"),
        sa.CheckConstraint("unit IN ('day', 'week', 'month')", name=op.f("ck_usage_marks_unit")),
    )
    op.create_index("ix_usage_marks_unit_first_day_tenant_id", "usage_marks", ["unit", "first_day", "tenant_id"])
    for end, dimensions in (("", _DIMENSIONS), ("_totals", _OF_TOTALS)):
        for rollup, unit in _UNITS.items():
            table = f"{rollup}{end}"
            op.create_table(table, sa.Column(unit, sa.Date, nullable=False), *_counted(dimensions))
            op.create_index(f"ix_{table}_{unit}_tenant_id", table, [unit, "tenant_id"])
    op.execute(_MARK)
    op.execute(_CONFINE.format(function="mark_llm_calls_usage"))
    for trigger in _TRIGGERS:
        op.execute(trigger)


def _grant() -> None:
    roles.create("feedback_roller")
    there = roles.that_are_there(_GRANTS)
    if "feedback_roller" in there:
        roles.enter("feedback_roller")
    for role in there:
        for rights in _GRANTS[role]:
            op.execute(f"GRANT {rights} TO {role}")
    if "feedback_consumer" in there:  # no ON CONFLICT (call_id) reads it any more
        op.execute("REVOKE SELECT (call_id) ON llm_calls FROM feedback_consumer")
    missing = [role for role in _GRANTS if role not in there]
    if missing:  # 0002 said how the others are made
        made = ["CREATE ROLE feedback_roller NOLOGIN"] * ("feedback_roller" in missing)
        logger.warning(
            "This user may not create roles, so there is no %s. Nothing depends on it: all commands work with the user "
            "that migrates. To run them with less, have an administrator run in this database: %s;",
            ", ".join(missing),
            "; ".join([*made, *(f"GRANT {rights} TO {role}" for role in missing for rights in _GRANTS[role])]),
        )


def downgrade() -> None:
    check_dependents("llm_calls")
    op.execute("ALTER TABLE llm_calls RENAME TO llm_calls_partitioned")
    for index in ("tenant_id_timestamp", "tenant_id_invocation_started_at", "times"):
        op.execute(f"DROP INDEX ix_llm_calls_{index}")
    op.create_table(
        "llm_calls",
        *(column._copy() for column in _CALLS),
        sa.CheckConstraint("status IN ('ok', 'error')", name=op.f("ck_llm_calls_status")),
        sa.PrimaryKeyConstraint("id", name="pk_llm_calls"),
    )
    # An id that was told with moments of two months is there twice: the first counts.
    rows = f"SELECT DISTINCT ON (call_id) {_NAMES} FROM llm_calls_partitioned ORDER BY call_id, id"
    op.execute(f"INSERT INTO llm_calls ({_NAMES}) OVERRIDING SYSTEM VALUE {rows}")
    op.execute("SELECT setval(pg_get_serial_sequence('llm_calls', 'id'), max(id)) FROM llm_calls HAVING count(*) > 0")
    carry_grants("llm_calls_partitioned", "llm_calls")
    op.drop_table("llm_calls_partitioned")
    op.create_unique_constraint("uq_llm_calls_call_id", "llm_calls", ["call_id"])
    _create_indexes()
    op.execute("DROP FUNCTION mark_llm_calls_usage, ensure_llm_calls_month")
    for table in ("usage_marks", *_ROLLUPS):
        op.drop_table(table)
    granted = "GRANT SELECT (call_id) ON llm_calls TO feedback_consumer"
    op.execute(f"DO $$ BEGIN {granted}; EXCEPTION WHEN undefined_object THEN NULL; END $$")
    roles.leave("feedback_roller", "alembic_version, llm_calls")
