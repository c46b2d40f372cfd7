"""Which thresholds of budgets were told of, and a role for who tells: feedback_budgets

As the role of 0004: a group without a login; whoever may not create roles migrates without it and is told the
statements for an administrator; it goes with the last database that grants it something, unless it has members.

Revision ID: 0010
Revises: 0009
Create Date: 2026-11-23
"""

import logging

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | None = None
depends_on: str | None = None

logger = logging.getLogger("migrations")  # Alembic names this module after its file

ROLE = "feedback_budgets"
ROLLUPS = ", ".join(f"usage_{unit}{totals}" for totals in ("", "_totals") for unit in ("daily", "weekly", "monthly"))
READ = f"alembic_version, llm_calls, {ROLLUPS}, usage_marks, usage_retention, consumer_positions"

# What is granted is what `adapters.postgres.rights` asks for, as it was in this release.
GRANTS = (
    f"GRANT SELECT ON {READ} TO {ROLE}",
    f"GRANT SELECT, INSERT, UPDATE (webhook_at) ON budget_alerts TO {ROLE}",
)

# A role that somebody makes at the same moment is found by the unique index once they commit.
CREATE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feedback_budgets') THEN
        CREATE ROLE feedback_budgets NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END $$"""

# Everybody may use the schema `public`, but not one that somebody made for our tables.
ENTER = """
DO $$ BEGIN
    IF NOT has_schema_privilege('feedback_budgets', current_schema(), 'USAGE') THEN
        EXECUTE 'GRANT USAGE ON SCHEMA ' || quote_ident(current_schema()) || ' TO feedback_budgets';
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING USING MESSAGE = 'the owner of this schema must grant USAGE on it to feedback_budgets';
END $$"""

# Other databases' grants keep a role, and so do its members: they would lose what they have there.
LEAVE = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feedback_budgets') THEN
        RETURN;
    END IF;
    REVOKE ALL ON {READ} FROM feedback_budgets;
    BEGIN
        EXECUTE 'REVOKE ALL ON SCHEMA ' || quote_ident(current_schema()) || ' FROM feedback_budgets';
        IF NOT EXISTS (SELECT FROM pg_auth_members WHERE roleid = 'feedback_budgets'::regrole AND NOT admin_option) THEN
            DROP ROLE feedback_budgets;
        END IF;
    EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;
    END;
END $$"""


def upgrade() -> None:
    op.create_table(
        "budget_alerts",
        sa.Column("alert_id", sa.Uuid, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("webhook_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("alert_id", name="pk_budget_alerts"),
    )
    op.create_index("ix_budget_alerts_period_end", "budget_alerts", ["period_end"])
    op.execute(CREATE)
    if _is_there():
        for statement in (ENTER, *GRANTS):
            op.execute(statement)
        return
    logger.warning(
        "This user may not create roles, so there is no %s. Nothing depends on it: `feedback budgets` may use the user "
        "that migrates. To run it with less, have an administrator run in this database: %s;",
        ROLE,
        "; ".join((f"CREATE ROLE {ROLE} NOLOGIN", *GRANTS)),
    )


def _is_there() -> bool:
    if op.get_context().as_sql:  # a script for somebody who may create it
        return True
    asked = sa.text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)")
    return bool(op.get_bind().scalar(asked, {"role": ROLE}))


def downgrade() -> None:
    op.drop_table("budget_alerts")
    op.execute(LEAVE)
