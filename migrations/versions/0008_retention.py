"""From which day there are LLM calls: `feedback retention` drops older months, and keeps what they add up to

The day that `usage_retention` holds is the first of which there are rows; without a row there none was dropped. No
partition is made for a month before it, and `llm_calls_other` takes no row of one (the command gives it a constraint).

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-23
"""

import logging

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None

logger = logging.getLogger("migrations")  # Alembic names this module after its file

_GRANTS = {
    "feedback_roller": "SELECT ON usage_retention",
    "feedback_api": "SELECT ON usage_retention",
}

# As 0005 made it, but for what stands in the place of {dropped}.
_ENSURE_MONTH = """
CREATE OR REPLACE FUNCTION ensure_llm_calls_month(day date) RETURNS boolean
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
    END IF;{dropped}
    EXECUTE format('CREATE TABLE %I (LIKE llm_calls INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    EXECUTE format(
        'WITH moved AS (DELETE FROM llm_calls_other WHERE "timestamp" >= %L AND "timestamp" < %L RETURNING *) '
        'INSERT INTO %I SELECT * FROM moved', since, behind, name);
    EXECUTE format('CREATE UNIQUE INDEX %I ON %I (call_id)', 'uq_' || name || '_call_id', name);
    EXECUTE format('ALTER TABLE llm_calls ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, since, behind);
    RETURN true;
END $$"""
_DROPPED = """
    IF EXISTS (SELECT FROM usage_retention WHERE first < raw_from) THEN
        RETURN false;
    END IF;"""

# A function that is replaced forgets its settings, and keeps its grants.
_CONFINE = """
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION ensure_llm_calls_month SET search_path = %I, pg_temp', current_schema());
END $$"""


def upgrade() -> None:
    op.create_table(
        "usage_retention",
        sa.Column("is_one", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("raw_from", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("is_one", name="pk_usage_retention"),
        sa.CheckConstraint("is_one", name=op.f("ck_usage_retention_is_one")),
        sa.CheckConstraint("extract(day FROM raw_from) = 1", name=op.f("ck_usage_retention_raw_from")),
    )
    op.execute(_ENSURE_MONTH.format(dropped=_DROPPED))
    op.execute(_CONFINE)
    there = _roles_that_are_there()
    for role in there:
        op.execute(f"GRANT {_GRANTS[role]} TO {role}")
    missing = [role for role in _GRANTS if role not in there]
    if missing:  # 0002 and 0005 said how they are made
        logger.warning(
            "There is no role %s. Nothing depends on it; where an administrator makes it, have them run in this "
            "database as well: %s;",
            ", ".join(missing),
            "; ".join(f"GRANT {_GRANTS[role]} TO {role}" for role in missing),
        )


def _roles_that_are_there() -> list[str]:
    if op.get_context().as_sql:  # a script for somebody who may create them
        return list(_GRANTS)
    asked = sa.text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:roles) ORDER BY rolname")
    return list(op.get_bind().scalars(asked, {"roles": list(_GRANTS)}))


def downgrade() -> None:
    """Rows that were dropped stay so. A release before this one counts their days anew, as empty, once something is
    stored in them: where months were dropped, keep a copy of the rollups."""
    op.execute("ALTER TABLE llm_calls_other DROP CONSTRAINT IF EXISTS ck_llm_calls_other_kept")
    op.execute(_ENSURE_MONTH.format(dropped=""))
    op.execute(_CONFINE)
    op.drop_table("usage_retention")
