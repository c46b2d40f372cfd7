"""For steps that make a role: groups without a login (0002 says why it is done so)."""

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

_CREATE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END $$"""
_ENTER = """
DO $$ BEGIN
    IF NOT has_schema_privilege('{role}', current_schema(), 'USAGE') THEN
        EXECUTE 'GRANT USAGE ON SCHEMA ' || quote_ident(current_schema()) || ' TO {role}';
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING USING MESSAGE = 'the owner of this schema must grant USAGE on it to {role}';
END $$"""
_LEAVE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        RETURN;
    END IF;
    REVOKE ALL ON {tables} FROM {role};
    BEGIN
        EXECUTE 'REVOKE ALL ON SCHEMA ' || quote_ident(current_schema()) || ' FROM {role}';
        IF NOT EXISTS (SELECT FROM pg_auth_members WHERE roleid = '{role}'::regrole AND NOT admin_option) THEN
            DROP ROLE {role};
        END IF;
    EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;
    END;
END $$"""


def create(role: str) -> None:
    """Make the role, unless it is there already, or we may not."""
    op.execute(_CREATE.format(role=role))


def enter(role: str) -> None:
    """Let it use our schema."""
    op.execute(_ENTER.format(role=role))


def leave(role: str, tables: str) -> None:
    """Take from it what it may do here, and drop it where nobody else uses it."""
    op.execute(_LEAVE.format(role=role, tables=tables))


def that_are_there(roles: Iterable[str]) -> list[str]:
    """Those of the roles that the server knows; in a script for somebody who may create them, all."""
    if op.get_context().as_sql:
        return list(roles)
    asked = sa.text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:roles) ORDER BY rolname")
    return list(op.get_bind().scalars(asked, {"roles": list(roles)}))
