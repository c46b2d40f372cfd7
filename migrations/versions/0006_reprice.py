"""LLM calls keep the cost that was recorded when `feedback reprice` gives them another

Revision ID: 0006
Revises: 0005
Create Date: 2026-11-23
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.add_column("llm_calls", sa.Column("recorded_cost_usd", sa.Numeric(18, 12)))
    op.add_column("llm_calls", sa.Column("recorded_cost_source", sa.Text))
    op.add_column("llm_calls", sa.Column("repriced_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """The recorded costs are the ones that a release before this one knows of."""
    op.execute(
        "UPDATE llm_calls SET cost_usd = recorded_cost_usd, cost_source = recorded_cost_source "
        "WHERE repriced_at IS NOT NULL"
    )
    for column in ("repriced_at", "recorded_cost_source", "recorded_cost_usd"):
        op.drop_column("llm_calls", column)
