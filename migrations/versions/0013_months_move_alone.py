"""A month's partition is made while nobody reads or writes the table: rows do not move beside who counts them

A statement looks into the partitions that there are when it is planned, at rows as they were when its transaction took
its snapshot. Rows that went from `llm_calls_other` to a month's own partition between the two were in neither: an
answer had none of them, and a roller counted their days as empty. Whoever reads or writes locks the table before they
look which partitions it has, so who makes one locks it, too.

Days whose rollups are not of as many calls, or of as much money, as there are rows are counted anew, which reads all
rows once.

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


# In both views: a day's calls may be counted rightly, and an invocation that began on it without its later ones.
_MARK_DIFFERENT = """
WITH counted AS (
    SELECT 'llm_calls' AS view, tenant_id, ("timestamp" AT TIME ZONE 'UTC')::date AS day, cost_usd FROM llm_calls
    UNION ALL
    SELECT 'invocations', tenant_id, (invocation_started_at AT TIME ZONE 'UTC')::date, cost_usd FROM llm_calls
), raw AS (
    SELECT view, tenant_id, day, count(*) AS calls, coalesce(sum(cost_usd), 0) AS cost_usd
    FROM counted GROUP BY view, tenant_id, day
), rolled AS (
    SELECT view, tenant_id, day, sum(attempts) AS calls, sum(cost_usd) AS cost_usd
    FROM usage_daily GROUP BY view, tenant_id, day
)
INSERT INTO usage_marks (tenant_id, unit, first_day)
SELECT tenant_id, 'day', day FROM raw LEFT JOIN rolled USING (view, tenant_id, day)
WHERE (raw.calls, raw.cost_usd) IS DISTINCT FROM (rolled.calls, rolled.cost_usd)
  AND day >= coalesce((SELECT raw_from FROM usage_retention), '-infinity')
EXCEPT SELECT tenant_id, unit, first_day FROM usage_marks"""


def upgrade() -> None:
    op.execute(_ENSURE_MONTH.format(alone=_ALONE))
    op.execute(_CONFINE)
    op.execute(_MARK_DIFFERENT)


def downgrade() -> None:
    op.execute(_ENSURE_MONTH.format(alone=""))
    op.execute(_CONFINE)
