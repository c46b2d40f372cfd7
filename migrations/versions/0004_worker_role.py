"""A role for workers that count our own codings in trends: feedback_worker

As the roles of 0002: a group without a login; whoever may not create roles migrates without it and is told the
statements for an administrator; it goes with the last database that grants it something, unless it has members.

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-23
"""

import logging

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None

logger = logging.getLogger("migrations")  # Alembic names this module after its file

ROLE = "feedback_worker"

# What is granted is what `adapters.postgres.rights` asks for, as it was in this release.
GRANTS = (
    f"GRANT SELECT ON alembic_version TO {ROLE}",
    f"GRANT SELECT (tenant_id, record_id, code_ids, abstained, completed_at, result_id) ON codings TO {ROLE}",
)

# A role that somebody makes at the same moment is found by the unique index once they commit.
CREATE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feedback_worker') THEN
        CREATE ROLE feedback_worker NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END $$"""

# Everybody may use the schema `public`, but not one that somebody made for our tables.
ENTER = """
DO $$ BEGIN
    IF NOT has_schema_privilege('feedback_worker', current_schema(), 'USAGE') THEN
        EXECUTE 'GRANT USAGE ON SCHEMA ' || quote_ident(current_schema()) || ' TO feedback_worker';
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING USING MESSAGE = 'the owner of this schema must grant USAGE on it to feedback_worker';
END $$"""

# Other databases' grants keep a role, and so do its members: they would lose what they have there.
LEAVE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feedback_worker') THEN
        RETURN;
    END IF;
    REVOKE ALL ON alembic_version, codings FROM feedback_worker;
    BEGIN
        EXECUTE 'REVOKE ALL ON SCHEMA ' || quote_ident(current_schema()) || ' FROM feedback_worker';
        IF NOT EXISTS (SELECT FROM pg_auth_members WHERE roleid = 'feedback_worker'::regrole AND NOT admin_option) THEN
            DROP ROLE feedback_worker;
        END IF;
    EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;
    END;
END $$"""


def upgrade() -> None:
    op.execute(CREATE)
    if _is_there():
        for statement in (ENTER, *GRANTS):
            op.execute(statement)
        return
    logger.warning(
        "This user may not create roles, so there is no %s. Nothing depends on it: a worker may use the user that "
        "migrates, or no database. To run it with less, have an administrator run in this database: %s;",
        ROLE,
        "; ".join((f"CREATE ROLE {ROLE} NOLOGIN", *GRANTS)),
    )


def downgrade() -> None:
    op.execute(LEAVE)


def _is_there() -> bool:
    if op.get_context().as_sql:  # a script for somebody who may create it
        return True
    asked = sa.text("SELECT true FROM pg_roles WHERE rolname = :role")
    return bool(op.get_bind().scalar(asked, {"role": ROLE}))
