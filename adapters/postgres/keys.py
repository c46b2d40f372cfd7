"""The read API's keys in the table `api_keys`."""

from collections.abc import Callable

from sqlalchemy import RowMapping, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.reading import answering
from adapters.postgres.tables import api_keys
from domain.errors import UserError
from domain.keys import KeyMaterial, StoredKey, check_tenant, new_key

_FIELDS = (
    api_keys.c.prefix,
    api_keys.c.sha256,
    api_keys.c.tenant_id,
    api_keys.c.superuser,
    api_keys.c.label,
    api_keys.c.created_at,
    api_keys.c.revoked_at,
)
_FIND = select(*_FIELDS).where(api_keys.c.prefix == bindparam("asked"))
_TRIES = 3


class PostgresKeyStore:
    """Makes, lists, revokes and finds keys; fulfils `domain.keys.KeyFinder`.

    Every method raises UsageUnavailableError where the database cannot answer in time.
    """

    def __init__(self, engine: AsyncEngine, make: Callable[[], KeyMaterial] = new_key) -> None:
        self._engine = engine
        self._make = make

    async def create(self, tenant_id: str, *, superuser: bool = False, label: str | None = None) -> KeyMaterial:
        """A new key; its text is in the answer and nowhere else.

        Raises:
            UserError: the tenant's name cannot be one.
        """
        check_tenant(tenant_id)
        for _ in range(_TRIES):
            key = self._make()
            row = {"prefix": key.prefix, "sha256": key.sha256, "tenant_id": tenant_id, "superuser": superuser}
            try:
                async with answering(self._engine) as connection:
                    await connection.execute(insert(api_keys).values(**row, label=label))
                    await connection.commit()
            except IntegrityError:
                # Somebody has this prefix: once in a few billion keys.
                continue
            return key
        raise UserError("No free key prefix was found.", "Try again.")

    async def list(self) -> list[StoredKey]:
        """Every key, revoked ones too, oldest first."""
        async with answering(self._engine) as connection:
            rows = await connection.execute(select(*_FIELDS).order_by(api_keys.c.id))
        return [_stored(row) for row in rows.mappings()]

    async def revoke(self, prefix: str) -> bool:
        """Make a key open nothing from now on. False where there is no such key; twice is as good as once."""
        change = (
            update(api_keys)
            .where(api_keys.c.prefix == prefix)
            .values(revoked_at=func.coalesce(api_keys.c.revoked_at, func.now()))
        )
        async with answering(self._engine) as connection:
            result = await connection.execute(change)
            await connection.commit()
        return result.rowcount > 0

    async def find(self, prefix: str) -> StoredKey | None:
        """The key with this prefix, revoked or not, or None."""
        async with answering(self._engine) as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")  # one question: nothing to begin or end
            found = await connection.execute(_FIND, {"asked": prefix})
            row = found.mappings().one_or_none()
        return None if row is None else _stored(row)


def _stored(row: RowMapping) -> StoredKey:
    return StoredKey(**{str(name): value for name, value in row.items()})
