"""Whether the database can be used as it is set, told before a process begins its work on it.

SQLSTATE classes are PostgreSQL's (appendix "PostgreSQL Error Codes" of its manual).
"""

import ssl

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import DatabaseSettings, check
from adapters.postgres.failures import chain, sqlstate
from adapters.postgres.migrate import is_current
from adapters.postgres.tokens import TokenProvider
from domain.errors import UsageUnavailableError, UserError

_PASSING_CLASSES = ("08", "53", "57", "58", "XX")
"""Connection, resources, an operator's hand (starting and stopping among it), system, internal: time may mend them."""

_NO_RIGHTS = "42501"


class DatabaseAwayError(UserError):
    """Nobody listens there, nobody answers in time, or the server takes nobody at the moment: an outage.

    Whoever can wait goes on without it; whoever cannot tells the person.
    """


async def ensure_usable(settings: DatabaseSettings, engine: AsyncEngine, tokens: TokenProvider | None = None) -> None:
    """Log in, and see that the schema is this release's or a newer one's.

    Raises:
        DatabaseAwayError: an outage.
        UserError: waiting does not mend it: the settings, the log-in, the database's name, its schema, our rights.
    """
    try:
        await check(settings, tokens)
    except UserError as error:
        if _passes(error):
            raise DatabaseAwayError(error.message, error.remedy) from error
        raise
    try:
        current = await is_current(engine)
    except UsageUnavailableError as error:
        raise _unreadable(error, settings.address) from error
    if not current:
        raise UserError(
            f"The database at {settings.address} does not have the schema of this release.",
            "Run `feedback migrate` with the same settings, then start again.",
        )


def _passes(error: UserError) -> bool:
    """Whether a failed log-in is the moment's fault, and not the settings'."""
    code = sqlstate(error)
    if code is not None:
        return code[:2] in _PASSING_CLASSES
    causes = list(chain(error))[1:]
    settings = (UserError, asyncpg.exceptions.ClientConfigurationError, ssl.SSLCertVerificationError)
    if any(isinstance(cause, settings) for cause in causes):
        return False
    return any(isinstance(cause, OSError | TimeoutError | asyncpg.InterfaceError) for cause in causes)


def _unreadable(error: UsageUnavailableError, address: str) -> UserError:
    if sqlstate(error) == _NO_RIGHTS:
        return UserError(
            f"The user of the database at {address} may not read our tables.",
            "Grant it SELECT, INSERT and UPDATE on them, or use the user that ran `feedback migrate`.",
        )
    return DatabaseAwayError(error.message, "Check that PostgreSQL runs and answers.")
