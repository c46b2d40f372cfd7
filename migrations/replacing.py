"""For steps that put a new table in the place of an old one: what others made on the old one is not lost unsaid."""

from alembic import op
from sqlalchemy.exc import DBAPIError

from adapters.postgres.database_errors import chain, sqlstate
from domain.errors import UserError

_DEPENDENTS = "2BP01"
"""PostgreSQL's dependent_objects_still_exist."""

# A grant of a column is one of the table's where attname is null. PUBLIC has no name.
_CARRY = """
DO $$
DECLARE
    given record;
BEGIN
    FOR given IN
        SELECT held.privilege_type || coalesce(' (' || quote_ident(attname) || ')', '') AS what,
               CASE WHEN held.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(held.grantee)) END AS whom,
               CASE WHEN held.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS how
        FROM (
            SELECT relacl AS acl, NULL::name AS attname FROM pg_class WHERE oid = '{before}'::regclass
            UNION ALL
            SELECT attacl, attname FROM pg_attribute
            WHERE attrelid = '{before}'::regclass AND attnum > 0 AND NOT attisdropped
        ) AS lists, LATERAL aclexplode(acl) AS held
        WHERE held.grantee <> (SELECT relowner FROM pg_class WHERE oid = '{after}'::regclass)
    LOOP
        EXECUTE format('GRANT %s ON {after} TO %s%s', given.what, given.whom, given.how);
    END LOOP;
END $$"""


def check_dependents(table: str) -> None:
    """See that nothing depends on the table, which is to be dropped, before any work is done. A script cannot tell.

    Raises:
        UserError: views do, or foreign keys, or functions.
    """
    if op.get_context().as_sql:
        return
    trying = op.get_bind().begin_nested()
    try:
        op.execute(f"DROP TABLE {table}")
    except DBAPIError as error:
        if sqlstate(error) != _DEPENDENTS:
            raise
        details = (getattr(link, "detail", None) for link in chain(error))
        found = "; ".join(next(filter(None, details), "").splitlines())
        raise UserError(
            f"The table {table} is to be replaced by another, and what depends on it is in the way: {found}.",
            "Keep its definition (pg_dump --schema-only), drop it, migrate, and make it again. Nothing was changed.",
        ) from None
    finally:
        trying.rollback()


def carry_grants(before: str, after: str) -> None:
    """Grant on the new table, and on its columns, what is granted on the old one."""
    op.execute(_CARRY.format(before=before, after=after))
