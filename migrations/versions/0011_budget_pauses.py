"""Whose LLM work is paused as a budget is spent, where workers find it

Revision ID: 0011
Revises: 0010
Create Date: 2026-11-23
"""

import logging

import sqlalchemy as sa
from alembic import op

from migrations import roles

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | None = None
depends_on: str | None = None

logger = logging.getLogger("migrations")  # Alembic names this module after its file

# What is granted is what `adapters.postgres.rights` asks for, as it was in this release.
_GRANTS = {
    "feedback_budgets": "SELECT, INSERT, UPDATE (ended_at, sent_again_at, inputs_since), DELETE ON budget_pauses",
    "feedback_worker": "SELECT (tenant_id, operation, until, ended_at) ON budget_pauses",
}


def upgrade() -> None:
    op.create_table(
        "budget_pauses",
        sa.Column("pause_id", sa.Uuid, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("operation", sa.Text),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("limit_usd", sa.Numeric, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("sent_again_at", sa.DateTime(timezone=True)),
        sa.Column("inputs_since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("pause_id", name="pk_budget_pauses"),
    )
    there = roles.that_are_there(_GRANTS)
    for role in there:
        op.execute(f"GRANT {_GRANTS[role]} TO {role}")
    missing = [role for role in _GRANTS if role not in there]
    if missing:  # 0004 and 0010 said how they are made
        logger.warning(
            "There is no role %s. Nothing depends on it; where an administrator makes it, have them run in this "
            "database as well: %s;",
            ", ".join(missing),
            "; ".join(f"GRANT {_GRANTS[role]} TO {role}" for role in missing),
        )


def downgrade() -> None:
    op.drop_table("budget_pauses")
