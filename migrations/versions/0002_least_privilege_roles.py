"""Roles that may do what one process needs and no more: feedback_consumer, feedback_api, feedback_keys

They are groups without a login; docs/security.md says how to make users of them. Roles belong to the whole server:
another database of it may have made them, may be making them now, and may use them still when this one has no more need
of them. Who may not create roles migrates without them and is told the statements for an administrator.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-24
"""

import logging

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None

logger = logging.getLogger("migrations")  # Alembic names this module after its file

# What is granted is what `adapters.postgres.rights` asks for, as it was in this release.
GRANTS = {
    "feedback_consumer": (
        "SELECT ON alembic_version",
        "INSERT ON llm_calls",
        "SELECT (call_id) ON llm_calls",  # what ON CONFLICT (call_id) reads
    ),
    "feedback_api": ("SELECT ON alembic_version, llm_calls, api_keys",),
    "feedback_keys": (
        "SELECT ON alembic_version, api_keys",
        "INSERT ON api_keys",
        "UPDATE (revoked_at) ON api_keys",
    ),
}

# A role that somebody makes at the same moment is found by the unique index once they commit.
CREATE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END $$"""

# Everybody may use the schema `public`, but not one that somebody made for our tables.
ENTER = """
DO $$ BEGIN
    IF NOT has_schema_privilege('{role}', current_schema(), 'USAGE') THEN
        EXECUTE 'GRANT USAGE ON SCHEMA ' || quote_ident(current_schema()) || ' TO {role}';
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING USING MESSAGE = 'the owner of this schema must grant USAGE on it to {role}';
END $$"""

# Other databases' grants keep a role, and so do its members: they would lose what they have there.
LEAVE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        RETURN;
    END IF;
    REVOKE ALL ON alembic_version, llm_calls, api_keys FROM {role};
    BEGIN
        EXECUTE 'REVOKE ALL ON SCHEMA ' || quote_ident(current_schema()) || ' FROM {role}';
        IF NOT EXISTS (SELECT FROM pg_auth_members WHERE roleid = '{role}'::regrole AND NOT admin_option) THEN
            DROP ROLE {role};
        END IF;
    EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;
    END;
END $$"""


def upgrade() -> None:
    for role in GRANTS:
        op.execute(CREATE.format(role=role))
    there = _roles_that_are_there()
    for role in there:
        op.execute(ENTER.format(role=role))
        for statement in _grants(role):
            op.execute(statement)
    missing = [role for role in GRANTS if role not in there]
    if missing:
        statements = [text for role in missing for text in (f"CREATE ROLE {role} NOLOGIN", *_grants(role))]
        logger.warning(
            "This user may not create roles, so there is no %s. Nothing depends on it: all commands work with the user "
            "that migrates. To run them with less, have an administrator run in this database: %s;",
            ", ".join(missing),
            "; ".join(statements),
        )


def downgrade() -> None:
    for role in GRANTS:
        op.execute(LEAVE.format(role=role))


def _roles_that_are_there() -> list[str]:
    if op.get_context().as_sql:  # a script for somebody who may create them
        return list(GRANTS)
    asked = sa.text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:names) ORDER BY rolname")
    return [str(name) for name in op.get_bind().scalars(asked, {"names": list(GRANTS)})]


def _grants(role: str) -> list[str]:
    return [f"GRANT {what} TO {role}" for what in GRANTS[role]]
