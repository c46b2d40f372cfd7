"""A month's partition is made while nobody reads or writes the table: rows do not move beside who counts them

A statement looks into the partitions that there are when it is planned, at rows as they were when its transaction took
its snapshot. Rows that went from `llm_calls_other` to a month's own partition between the two were in neither: an
answer had none of them, and a roller counted their days as empty. Whoever reads or writes locks the table before they
look which partitions it has, so who makes one locks it, too.

Days whose rollups are not of as many calls as there are rows are counted anew, which reads all rows once.

Revision ID: 0013
Revises: 0012
Create Date: 2026-11-23
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | None = None
depends_on: str | Sequence[str] | None = None

# As 0008 made it, but for what stands in the place of {alone}.
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
    END IF;{alone}
    LOCK TABLE llm_calls_other IN ACCESS EXCLUSIVE MODE;
    IF to_regclass(name) IS NOT NULL THEN  -- by somebody else, while we waited
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM usage_retention WHERE first < raw_from) THEN
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
_ALONE = """
    LOCK TABLE ONLY llm_calls IN ACCESS EXCLUSIVE MODE;"""

# A function that is replaced forgets its settings, and keeps its grants.
_CONFINE = """
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION ensure_llm_calls_month SET search_path = %I, pg_temp', current_schema());
END $$"""


# With the days on which the invocations of their calls began.
_MARK_DIFFERENT = """
WITH held AS (
    SELECT tenant_id, ("timestamp" AT TIME ZONE 'UTC')::date AS day, count(*) AS calls FROM llm_calls GROUP BY 1, 2
), rolled AS (
    SELECT tenant_id, day, sum(total) AS calls FROM usage_daily_totals WHERE view = 'llm_calls' GROUP BY 1, 2
), different AS (
    SELECT tenant_id, day FROM held LEFT JOIN rolled USING (tenant_id, day)
    WHERE held.calls IS DISTINCT FROM rolled.calls
      AND (tenant_id, day) NOT IN (SELECT tenant_id, first_day FROM usage_marks WHERE unit = 'day')
)
INSERT INTO usage_marks (tenant_id, unit, first_day) (
    SELECT tenant_id, 'day', day FROM different
    UNION
    SELECT tenant_id, 'day', (invocation_started_at AT TIME ZONE 'UTC')::date
    FROM different JOIN llm_calls USING (tenant_id)
    WHERE "timestamp" >= day::timestamp AT TIME ZONE 'UTC' AND "timestamp" < (day + 1)::timestamp AT TIME ZONE 'UTC'
) EXCEPT SELECT tenant_id, unit, first_day FROM usage_marks"""


def upgrade() -> None:
    op.execute(_ENSURE_MONTH.format(alone=_ALONE))
    op.execute(_CONFINE)
    op.execute(_MARK_DIFFERENT)


def downgrade() -> None:
    op.execute(_ENSURE_MONTH.format(alone=""))
    op.execute(_CONFINE)
