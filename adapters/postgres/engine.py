"""How we reach PostgreSQL: one value object, and the engine that it makes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from adapters.postgres.failures import explain
from adapters.postgres.tokens import CachedTokens, EntraTokenProvider, TokenProvider
from domain.errors import UserError

Engine = AsyncEngine
"""The pool of connections, under a name of ours: who wires processes need not know whose it is."""

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
_FORM = "postgresql://user:password@host:5432/name"


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Where the database is and how to log in: a URL, or its parts.

    Attributes:
        url: `postgresql://`, `postgres://` or `postgresql+asyncpg://`; parts are not looked at where it is given.
        host, port, user, password, name: the parts.
        auth: `password`, or `entra` for a Microsoft Entra access token in place of one.
        ssl: libpq's `sslmode` for the parts; the URL has its own. Tokens travel encrypted unless this says otherwise.
        pool_size, max_overflow: connections kept, and further ones in a rush.
        connect_timeout_seconds: for a connection, and for a free place in the pool.
        command_timeout_seconds: for one statement; None = no bound.
        application_name: what the server's own views show.
    """

    url: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 5432
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    name: str | None = None
    auth: Literal["password", "entra"] = "password"
    ssl: str | None = None
    pool_size: int = 5
    max_overflow: int = 5
    connect_timeout_seconds: float = 5.0
    command_timeout_seconds: float | None = 60.0
    application_name: str = "feedback-streams"

    @property
    def address(self) -> str:
        """Host, port and database for messages; never the password."""
        if self.url is None:
            return f"{self.host}:{self.port}/{self.name or ''}"
        parts = urlsplit(self.url)
        hosts = [value for key, value in parse_qsl(parts.query) if key == "host"]
        return f"{parts.netloc.rpartition('@')[2] or ','.join(hosts)}{parts.path}"

    def dsn(self) -> str | None:
        """The URL as asyncpg reads it, or None where there are parts.

        Raises:
            UserError: it is not a PostgreSQL URL.
        """
        if self.url is None:
            return None
        parts = _split(self.url)
        # SQLAlchemy's name for the option is `ssl`; libpq's and asyncpg's is `sslmode`.
        query = [("sslmode" if key == "ssl" else key, value) for key, value in parse_qsl(parts.query)]
        return urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(query), ""))


def _split(url: str) -> SplitResult:
    parts: SplitResult | None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in SCHEMES:
        raise UserError("The database URL is not a PostgreSQL URL.", f"Write it as {_FORM} in DATABASE_URL.")
    return parts


Connect = Callable[..., Awaitable[Any]]


def connector(settings: DatabaseSettings, tokens: TokenProvider | None = None) -> Connect:
    """What opens one physical connection; each asks for its own password or token.

    Raises:
        UserError: the URL is not a PostgreSQL URL.
    """
    options: dict[str, Any] = {
        "timeout": settings.connect_timeout_seconds,
        "command_timeout": settings.command_timeout_seconds,
        "server_settings": {"application_name": settings.application_name},
    }
    dsn = settings.dsn()
    if dsn is not None:
        options["dsn"] = dsn
    else:
        options |= {"host": settings.host, "port": settings.port, "user": settings.user, "database": settings.name}
        options["ssl"] = settings.ssl or ("require" if settings.auth == "entra" else None)
        options["password"] = settings.password
    if settings.auth == "entra" or tokens is not None:
        options["password"] = CachedTokens(tokens or EntraTokenProvider()).password

    async def connect(*_: Any, **__: Any) -> Any:
        return await asyncpg.connect(**options)

    return connect


def create_engine(
    settings: DatabaseSettings, tokens: TokenProvider | None = None, **engine_options: Any
) -> AsyncEngine:
    """An engine over a pool; nothing connects before the first use.

    Args:
        settings: where and how.
        tokens: another cloud's identity service; Microsoft Entra's by default where `auth` asks for a token.
        engine_options: further options of SQLAlchemy's, another pool class say.

    Raises:
        UserError: the URL is not a PostgreSQL URL.
    """
    options: dict[str, Any] = {
        "async_creator": connector(settings, tokens),
        # A connection is asked whether it lives before it is used: after an outage the pool mends itself.
        "pool_pre_ping": True,
        # Exceptions must not quote what was stored.
        "hide_parameters": True,
    }
    if "poolclass" not in engine_options:
        options |= {
            "pool_size": settings.pool_size,
            "max_overflow": settings.max_overflow,
            "pool_timeout": settings.connect_timeout_seconds,
        }
    return create_async_engine("postgresql+asyncpg://", **options, **engine_options)


async def check(settings: DatabaseSettings, tokens: TokenProvider | None = None) -> None:
    """Log in once and ask for nothing.

    Raises:
        UserError: what is wrong in one sentence: unreachable, wrong password, no such database, and what to do.
    """
    try:
        connection = await connector(settings, tokens)()
    except Exception as error:
        explained = explain(error, settings.address)
        if explained is None or explained is error:
            raise
        raise explained from error
    await connection.close()
