"""Row-level security: a member of feedback_api sees the tenant that its transaction names, and no other

Everybody else sees what they have rights to see, as before: the one policy lets all rows through, the other narrows
what feedback_api sees, and needs that role. The tables' owner and superusers are not held to either.

Revision ID: 0009
Revises: 0008
Create Date: 2026-11-23
"""

import logging

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | None = None
depends_on: str | None = None

logger = logging.getLogger("migrations")  # Alembic names this module after its file

ROLE = "feedback_api"
ROLLUPS = tuple(f"usage_{unit}{totals}" for totals in ("", "_totals") for unit in ("daily", "weekly", "monthly"))
TABLES = ("llm_calls", *ROLLUPS, "usage_marks", "codings", "corrections")

# Each is asked once for a statement, not for each row. A setting that was made in an earlier transaction is empty, and
# no tenant's name is.
_SEEN = (
    "tenant_id = (SELECT nullif(current_setting('feedback.tenant', true), '')) "
    "OR (SELECT current_setting('feedback.superuser', true)) = 'on'"
)
_NARROW = [f"CREATE POLICY of_the_tenant ON {table} AS RESTRICTIVE TO {ROLE} USING ({_SEEN})" for table in TABLES]


def upgrade() -> None:
    for table in TABLES:
        op.execute(f"CREATE POLICY every_row ON {table} USING (true) WITH CHECK (true)")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    if _is_there():
        for statement in _NARROW:
            op.execute(statement)
        return
    logger.warning(
        "There is no role %s, so the database itself does not keep the API from other tenants' rows; the API does. "
        "Where an administrator makes the role, have them run in this database as well: %s;",
        ROLE,
        "; ".join(_NARROW),
    )


def _is_there() -> bool:
    if op.get_context().as_sql:  # a script for somebody who may create it
        return True
    return bool(op.get_bind().scalar(sa.text(f"SELECT count(*) FROM pg_roles WHERE rolname = '{ROLE}'")))


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        op.execute(f"DROP POLICY IF EXISTS of_the_tenant ON {table}")
        op.execute(f"DROP POLICY every_row ON {table}")
