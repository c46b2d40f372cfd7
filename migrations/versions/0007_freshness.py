"""How far the consumer is, where the read API finds it

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-23
"""

import logging

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None

logger = logging.getLogger("migrations")  # Alembic names this module after its file

_GRANTS = {
    # What is inserted, or else updated, must be readable, too.
    "feedback_consumer": "SELECT, INSERT, UPDATE ON consumer_positions",
    "feedback_api": "SELECT ON consumer_positions",
}


def upgrade() -> None:
    op.create_table(
        "consumer_positions",
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("end_offset", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name="pk_consumer_positions"),
    )
    there = _roles_that_are_there()
    for role in there:
        op.execute(f"GRANT {_GRANTS[role]} TO {role}")
    missing = [role for role in _GRANTS if role not in there]
    if missing:  # 0002 said how they are made
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
    op.drop_table("consumer_positions")
