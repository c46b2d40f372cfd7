"""Whose fault a database error is: the row's, the moment's, or the settings'.

SQLSTATE classes are PostgreSQL's (appendix "PostgreSQL Error Codes" of its manual).
"""

import socket
from collections.abc import Iterator

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from adapters.postgres.tls import explain_tls
from domain.errors import UserError

_ROW_CLASSES = ("22", "23", "54")
"""Data exceptions, broken constraints, a row beyond the server's limits."""

_SETTINGS_CLASSES = ("28", "3D")

_OF_THE_SERVER = OSError | TimeoutError | asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError
"""A server that dies in the middle of a message leaves asyncpg at a loss, and that is its InternalClientError."""

_NO_SUCH_HOST = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
"""The name service answered, and knows no address; EAI_AGAIN, that it did not answer, is an outage."""


class UnknownHostError(UserError):
    """The database's host name leads nowhere: mistyped, or, where containers start in any order, not there yet."""


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, through SQLAlchemy's wrappers."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = getattr(current, "orig", None) or current.__cause__


def sqlstate(error: BaseException) -> str | None:
    """The server's code for the error, where it gave one."""
    for link in chain(error):
        code = getattr(link, "sqlstate", None)
        if isinstance(code, str):
            return code
    return None


def is_rows_fault(error: BaseException) -> bool:
    """Whether the statement failed for what its rows hold: it fails again, however often it is tried."""
    code = sqlstate(error)
    if code is not None:
        return code[:2] in _ROW_CLASSES
    # The driver's own refusal to encode a value; asyncpg's DataError is a ValueError, too.
    return isinstance(error, ValueError | OverflowError)


def is_databases_fault(error: BaseException) -> bool:
    """Whether the error comes from the database, the way to it, or its settings; else it is a bug of ours."""
    return any(isinstance(link, _OF_THE_SERVER | SQLAlchemyError | UserError) for link in chain(error))


def summary(error: BaseException) -> str:
    """The error for a log: its kind and code, never its text, which may quote a value."""
    code = sqlstate(error)
    innermost = list(chain(error))[-1]
    return type(innermost).__name__ + (f" {code}" if code else "")


def explain(error: BaseException, address: str, *, with_token: bool = False) -> UserError | None:
    """A failed log-in as a person reads it, or None where it is no such failure."""
    for link in chain(error):
        explained = link if isinstance(link, UserError) else explain_tls(link, address)
        if explained is not None:
            return explained
    code = sqlstate(error)
    if code is not None and code[:2] in _SETTINGS_CLASSES:
        return _refused(error, code, address, with_token=with_token)
    if isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_HOST:
        return UnknownHostError(
            f"The host name of the database at {address} is not known here.",
            "Check the host in DATABASE_URL, or DATABASE_HOST: its spelling, and that this machine can look it up.",
        )
    # What the name service's own encoding refuses: `a..b`, a part of 64 characters. The plain ValueError is the
    # driver's, of a port that is no number.
    if isinstance(error, asyncpg.exceptions.ClientConfigurationError | UnicodeError) or type(error) is ValueError:
        return UserError(
            "The database settings cannot be understood.",
            "Write DATABASE_URL as postgresql://user:password@host:5432/name, odd characters as %40; "
            "or DATABASE_HOST as the name or the address of a host.",
        )
    if code is not None or isinstance(error, _OF_THE_SERVER):
        return UserError(
            f"The database at {address} cannot be reached ({summary(error)}).",
            "Check that PostgreSQL runs there and that DATABASE_URL names its host and port.",
        )
    return None


def _refused(error: BaseException, code: str, address: str, *, with_token: bool) -> UserError:
    if code.startswith("3D"):
        name = address.rpartition("/")[2]
        return UserError(
            f"The database server has no database named {name}.",
            f"Create it (`createdb {name}`), or name another in DATABASE_URL.",
        )
    # The server's own words; where it speaks another language, the general sentence below stands.
    if "no encryption" in str(error):
        return UserError(
            f"The database at {address} lets nobody in unencrypted, or not this user.",
            "Use require, or better verify-full, in DATABASE_SSLMODE (sslmode in DATABASE_URL).",
        )
    if with_token:
        return UserError(
            f"The database at {address} refused the user name or the access token.",
            "Check DATABASE_USER (for a token: the identity's name), and that the identity has a role there.",
        )
    return UserError(
        f"The database at {address} refused the user name or the password.",
        "Check the user and the password in DATABASE_URL, or DATABASE_USER and DATABASE_PASSWORD.",
    )
