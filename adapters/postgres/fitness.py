"""Whether the database can be used as it is set, told before a process begins its work on it.

SQLSTATE classes are PostgreSQL's (appendix "PostgreSQL Error Codes" of its manual).
"""

import asyncio

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.database_errors import UnknownHostError, chain, sqlstate
from adapters.postgres.engine import DatabaseSettings, check
from adapters.postgres.migrate import is_current
from adapters.postgres.rights import Rights, check_rights
from adapters.postgres.tls import DatabaseTLSError
from adapters.postgres.tokens import NoTokenError, TokenProvider
from domain.errors import UsageUnavailableError, UserError

_PASSING_CLASSES = ("08", "53", "55", "57", "58", "XX")
"""Connection, resources, a state that passes (closed to connections, say), an operator's hand (starting and stopping
among it), system, internal: time may mend them."""

_NO_RIGHTS = "42501"

LOOK_AGAIN_SECONDS = 0.5


class DatabaseAwayError(UserError):
    """Nobody listens there, nobody answers in time, or the server takes nobody at the moment: an outage.

    Whoever can wait goes on without it; whoever cannot tells the person.
    """


async def ensure_usable(
    settings: DatabaseSettings,
    engine: AsyncEngine,
    rights: Rights,
    tokens: TokenProvider | None = None,
    *,
    host_seconds: float = 0.0,
) -> None:
    """Log in, and see that the schema is this release's or a newer one's, and that we may do what we are to do.

    Args:
        settings: how to reach the database.
        engine: of the same settings.
        rights: what the process will do there.
        tokens: as for `create_engine`.
        host_seconds: how long a host name that is not known is looked up again before it counts as a mistake: where
            containers start in any order, a service's name may appear a moment after us.

    Raises:
        DatabaseAwayError: an outage.
        UserError: waiting does not mend it: the settings, the log-in, the host's or the database's name, its schema,
            our rights.
    """
    try:
        await _log_in(settings, tokens, host_seconds)
    except UserError as error:
        if _passes(error):
            raise DatabaseAwayError(error.message, error.remedy) from error
        raise
    try:
        if not await is_current(engine):
            raise UserError(
                f"The database at {settings.address} does not have the schema of this release.",
                "Run `feedback migrate` with the same settings, then start again.",
            )
        await check_rights(engine, rights, settings.address)
    except UsageUnavailableError as error:
        raise _unreadable(error, settings.address) from error


async def _log_in(settings: DatabaseSettings, tokens: TokenProvider | None, host_seconds: float) -> None:
    clock = asyncio.get_running_loop().time
    deadline = clock() + host_seconds
    while True:
        try:
            return await check(settings, tokens)
        except UnknownHostError:
            if clock() + LOOK_AGAIN_SECONDS > deadline:
                raise
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


def _passes(error: UserError) -> bool:
    """Whether a failed log-in is the moment's fault, and not the settings'."""
    code = sqlstate(error)
    if code is not None:
        return code[:2] in _PASSING_CLASSES
    if isinstance(error, UnknownHostError | DatabaseTLSError):
        return False
    if isinstance(error, NoTokenError):
        return True
    causes = list(chain(error))[1:]
    settings = (UserError, asyncpg.exceptions.ClientConfigurationError)
    if any(isinstance(cause, settings) for cause in causes):
        return False
    return any(isinstance(cause, OSError | TimeoutError | asyncpg.InterfaceError) for cause in causes)


def _unreadable(error: UsageUnavailableError, address: str) -> UserError:
    if sqlstate(error) == _NO_RIGHTS:
        return UserError(
            f"The user of the database at {address} may not read the table alembic_version.",
            "Have its owner grant SELECT on it, or make it a member of the role for its work (docs/security.md).",
        )
    return DatabaseAwayError(error.message, "Check that PostgreSQL runs and answers.")
