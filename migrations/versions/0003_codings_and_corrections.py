"""Codings, and what analysts made of them; the consumer writes both, the API reads them

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-22
"""

import logging

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

logger = logging.getLogger("migrations")  # Alembic names this module after its file

MOMENT = sa.DateTime(timezone=True)
TEXTS = postgresql.ARRAY(sa.Text)

# What is granted is what `adapters.postgres.rights` asks for, as it was in this release, beyond what 0002 granted.
GRANTS = {
    "feedback_consumer": (
        "INSERT ON codings, corrections",
        "SELECT (result_id) ON codings",  # what ON CONFLICT (result_id) reads
        "SELECT (event_id) ON corrections",
    ),
    "feedback_api": ("SELECT ON codings, corrections",),
}


def upgrade() -> None:
    op.create_table(
        "codings",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("result_id", sa.Uuid, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("framework_id", sa.Text, nullable=False),
        sa.Column("framework_version", sa.Text, nullable=False),
        sa.Column("code_ids", TEXTS, nullable=False),
        sa.Column("abstained", sa.Boolean, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("prompt_version", sa.Text, nullable=False),
        sa.Column("completed_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="pk_codings"),
        sa.UniqueConstraint("result_id", name="uq_codings_result_id"),
    )
    op.create_index("ix_codings_tenant_id_record_id", "codings", ["tenant_id", "record_id"])
    op.create_table(
        "corrections",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("framework_id", sa.Text, nullable=False),
        sa.Column("framework_version", sa.Text),
        sa.Column("code_ids", TEXTS, nullable=False),
        sa.Column("corrected_at", MOMENT, nullable=False),
        sa.Column("result_id", sa.Uuid),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="pk_corrections"),
        sa.UniqueConstraint("event_id", name="uq_corrections_event_id"),
    )
    op.create_index(
        "ix_corrections_tenant_id_framework_id_corrected_at",
        "corrections",
        ["tenant_id", "framework_id", "corrected_at"],
    )
    there = _roles_that_are_there()
    for role in there:
        for statement in _grants(role):
            op.execute(statement)
    missing = [role for role in GRANTS if role not in there]
    if missing:
        logger.warning(
            "There is no %s. For a process that runs as one of them, have an administrator run in this database, once "
            "they are there: %s;",
            " and no ".join(missing),
            "; ".join(statement for role in missing for statement in _grants(role)),
        )


def downgrade() -> None:
    op.drop_table("corrections")
    op.drop_table("codings")


def _roles_that_are_there() -> list[str]:
    if op.get_context().as_sql:  # a script for somebody who may create them
        return list(GRANTS)
    asked = sa.text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:names) ORDER BY rolname")
    return [str(name) for name in op.get_bind().scalars(asked, {"names": list(GRANTS)})]


def _grants(role: str) -> list[str]:
    return [f"GRANT {what} TO {role}" for what in GRANTS[role]]
