"""Dead letters by whose, what and why, without what they carry; the consumer writes them, the API counts them

Revision ID: 0012
Revises: 0011
Create Date: 2026-11-23
"""

import logging

import sqlalchemy as sa
from alembic import op

from migrations import roles

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | None = None
depends_on: str | None = None

logger = logging.getLogger("migrations")  # Alembic names this module after its file

TABLE = "dead_letters"

# As 0009 has it of the other tables. What has no tenant is nobody's: a superuser's to see.
_SEEN = (
    "tenant_id = (SELECT nullif(current_setting('feedback.tenant', true), '')) "
    "OR (SELECT current_setting('feedback.superuser', true)) = 'on'"
)

# What is granted is what `adapters.postgres.rights` asks for, as it was in this release.
_FOR = {
    "feedback_api": (
        f"GRANT SELECT ON {TABLE} TO feedback_api",
        f"CREATE POLICY of_the_tenant ON {TABLE} AS RESTRICTIVE TO feedback_api USING ({_SEEN})",
    ),
    "feedback_consumer": (f"GRANT INSERT, SELECT (dead_letter_id) ON {TABLE} TO feedback_consumer",),
}


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("dead_letter_id", sa.Uuid, nullable=False),
        sa.Column("tenant_id", sa.Text),
        sa.Column("operation", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("source_topic", sa.Text),
        sa.Column("result_id", sa.Uuid),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("dead_letter_id", name="pk_dead_letters"),
    )
    op.create_index("ix_dead_letters_tenant_id_failed_at", TABLE, ["tenant_id", "failed_at"])
    op.create_index("ix_dead_letters_failed_at", TABLE, ["failed_at"])
    op.execute(f"CREATE POLICY every_row ON {TABLE} USING (true) WITH CHECK (true)")
    op.execute(f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")
    there = roles.that_are_there(_FOR)
    for role in there:
        for statement in _FOR[role]:
            op.execute(statement)
    missing = [role for role in _FOR if role not in there]
    if missing:  # 0002 said how they are made
        logger.warning(
            "There is no role %s. Where an administrator makes it, have them run in this database as well: %s;",
            ", ".join(missing),
            "; ".join(statement for role in missing for statement in _FOR[role]),
        )


def downgrade() -> None:
    op.drop_table(TABLE)
