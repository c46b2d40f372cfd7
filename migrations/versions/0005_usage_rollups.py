"""LLM calls by months, marks of what changed, and rollups of whole days, weeks and months

`llm_calls` becomes a table of monthly partitions. Its rows are copied, which takes a few minutes for ten million; the
consumer waits meanwhile, as it does in any outage of the database. Each partition has its own index of ids, as one over
all of them is not to be had: an id counts once in a month, and a repeated event names the same moment.

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

# The functions have the owner's rights: they find our tables, not temporary ones of the same name that have triggers,
# and nobody else hangs them on other tables.
_CONFINE = """
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION {function} SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION {function} FROM PUBLIC;
END $$"""

_TRIGGERS = (
    "CREATE TRIGGER mark_inserted AFTER INSERT ON llm_calls REFERENCING NEW TABLE AS changed "
    "FOR EACH STATEMENT EXECUTE FUNCTION mark_llm_calls_usage()",
    "CREATE TRIGGER mark_deleted AFTER DELETE ON llm_calls REFERENCING OLD TABLE AS changed "
    "FOR EACH STATEMENT EXECUTE FUNCTION mark_llm_calls_usage()",
    "CREATE TRIGGER mark_before_update AFTER UPDATE ON llm_calls REFERENCING OLD TABLE AS changed "
    "FOR EACH STATEMENT EXECUTE FUNCTION mark_llm_calls_usage()",
    "CREATE TRIGGER mark_after_update AFTER UPDATE ON llm_calls REFERENCING NEW TABLE AS changed "
    "FOR EACH STATEMENT EXECUTE FUNCTION mark_llm_calls_usage()",
)

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
_CREATE_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feedback_roller') THEN
        CREATE ROLE feedback_roller NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END $$"""
_ENTER = """
DO $$ BEGIN
    IF NOT has_schema_privilege('feedback_roller', current_schema(), 'USAGE') THEN
        EXECUTE 'GRANT USAGE ON SCHEMA ' || quote_ident(current_schema()) || ' TO feedback_roller';
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING USING MESSAGE = 'the owner of this schema must grant USAGE on it to feedback_roller';
END $$"""
_LEAVE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feedback_roller') THEN
        RETURN;
    END IF;
    REVOKE ALL ON alembic_version FROM feedback_roller;
    BEGIN
        EXECUTE 'REVOKE ALL ON SCHEMA ' || quote_ident(current_schema()) || ' FROM feedback_roller';
        IF NOT EXISTS (SELECT FROM pg_auth_members WHERE roleid = 'feedback_roller'::regrole AND NOT admin_option) THEN
            DROP ROLE feedback_roller;
        END IF;
    EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;
    END;
END $$"""


def upgrade() -> None:
    op.execute("ALTER TABLE llm_calls RENAME TO llm_calls_before")
    _create_partitioned()
    _create_rollups()
    op.execute(f"INSERT INTO llm_calls ({_NAMES}) OVERRIDING SYSTEM VALUE SELECT {_NAMES} FROM llm_calls_before")
    op.execute("SELECT setval(pg_get_serial_sequence('llm_calls', 'id'), max(id)) FROM llm_calls HAVING count(*) > 0")
    op.drop_table("llm_calls_before")
    _create_indexes()
    op.execute("CREATE UNIQUE INDEX uq_llm_calls_other_call_id ON llm_calls_other (call_id)")
    for month in ("now() - interval '1 month'", "now()", "now() + interval '1 month'"):
        op.execute(f"SELECT ensure_llm_calls_month(({month})::date)")
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
    month = "date_trunc('month', \"timestamp\" AT TIME ZONE 'UTC')::date"
    months = f"SELECT DISTINCT {month} AS month FROM llm_calls_before ORDER BY month"
    op.execute(f"SELECT ensure_llm_calls_month(month) FROM ({months}) AS months")


def _create_indexes() -> None:
    """After the copy: an index that is made at once is made quicker."""
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
    op.execute(_CREATE_ROLE)
    there = _roles_that_are_there()
    if "feedback_roller" in there:
        op.execute(_ENTER)
    for role in there:
        for rights in _GRANTS[role]:
            op.execute(f"GRANT {rights} TO {role}")
    missing = [role for role in _GRANTS if role not in there]
    if missing:  # 0002 said how the others are made
        made = ["CREATE ROLE feedback_roller NOLOGIN"] * ("feedback_roller" in missing)
        logger.warning(
            "This user may not create roles, so there is no %s. Nothing depends on it: all commands work with the user "
            "that migrates. To run them with less, have an administrator run in this database: %s;",
            ", ".join(missing),
            "; ".join([*made, *(f"GRANT {rights} TO {role}" for role in missing for rights in _GRANTS[role])]),
        )


def _roles_that_are_there() -> list[str]:
    if op.get_context().as_sql:  # a script for somebody who may create them
        return list(_GRANTS)
    asked = sa.text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:roles) ORDER BY rolname")
    return list(op.get_bind().scalars(asked, {"roles": list(_GRANTS)}))


def downgrade() -> None:
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
    op.drop_table("llm_calls_partitioned")
    op.create_unique_constraint("uq_llm_calls_call_id", "llm_calls", ["call_id"])
    _create_indexes()
    op.execute("DROP FUNCTION mark_llm_calls_usage, ensure_llm_calls_month")
    for table in ("usage_marks", *_ROLLUPS):
        op.drop_table(table)
    for role, rights in (("feedback_consumer", "INSERT, SELECT (call_id)"), ("feedback_api", "SELECT")):
        op.execute(
            f"DO $$ BEGIN GRANT {rights} ON llm_calls TO {role}; EXCEPTION WHEN undefined_object THEN NULL; END $$"
        )
    op.execute(_LEAVE)
