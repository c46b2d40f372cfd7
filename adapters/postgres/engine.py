"""How we reach PostgreSQL: one value object, and the engine that it makes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from adapters.postgres.database_errors import explain
from adapters.postgres.liveness import ask_idle_connections
from adapters.postgres.tls import TLS, default_mode, hosts_of
from adapters.postgres.tokens import CachedTokens, EntraTokenProvider, TokenProvider
from domain.errors import UserError

Engine = AsyncEngine
"""The pool of connections, under a name of ours: who wires processes need not know whose it is."""

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
_FORM = "postgresql://user:password@host:5432/name"
_ENCODED = ", and percent-encode the password: / as %2F, ? as %3F, # as %23, @ as %40, [ as %5B"


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Where the database is and how to log in: a URL, or its parts.

    Attributes:
        url: `postgresql://`, `postgres://` or `postgresql+asyncpg://`; parts are not looked at where it is given.
        host, port, user, password, name: the parts.
        auth: `password`, or `entra` for a Microsoft Entra access token in place of one.
        tls: for the parts, and for what a URL does not say itself. To any other machine, and with a token to this
            one, nothing weaker than `require` unless this or the URL says so.
        pool_size, max_overflow: connections kept, and further ones in a rush.
        connect_timeout_seconds: for a connection, and for a free place in the pool.
        command_timeout_seconds: for one statement; None = no bound.
        statement_timeout_seconds: the same by the server's clock, which ends a statement even if we are gone; None =
            what the server has set.
        application_name: what the server's own views show.
    """

    url: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 5432
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    name: str | None = None
    auth: Literal["password", "entra"] = "password"
    tls: TLS = field(default_factory=TLS)
    pool_size: int = 5
    max_overflow: int = 5
    connect_timeout_seconds: float = 5.0
    command_timeout_seconds: float | None = 60.0
    statement_timeout_seconds: float | None = None
    application_name: str = "feedback-streams"

    @property
    def address(self) -> str:
        """Host, port and database for messages, whatever the URL is; never the password."""
        if self.url is None:
            return f"{self.host}:{self.port}/{self.name or ''}"
        try:
            parts = _split(self.url)
        except UserError:  # what is wrong with it is told elsewhere; here nothing of it is sure to be no password
            return "an address that cannot be read"
        hosts = [value for key, value in parse_qsl(parts.query) if key == "host"]
        return f"{parts.netloc.rpartition('@')[2] or ','.join(hosts)}{parts.path}"

    def dsn(self) -> str:
        """The URL as asyncpg reads it; of parts, those that it takes in a URL only.

        Raises:
            UserError: it is not a PostgreSQL URL.
        """
        if self.url is None:
            return f"postgresql://?{urlencode(self.encryption().query())}"
        parts = _split(self.url)
        query = _query(parts) | self.encryption().query()
        return urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(query), ""))

    def encryption(self) -> TLS:
        """How the connection is encrypted, the default filled in.

        Raises:
            UserError: it is not a PostgreSQL URL, or there is no such mode.
        """
        with_token = self.auth == "entra"
        if self.url is None:
            return self.tls.resolved(default_mode([self.host], with_token=with_token))
        parts = _split(self.url)
        query = _query(parts)
        if "service" in query and "sslmode" not in query:
            raise UserError(
                "The database URL names a service, whose host and encryption we do not see.",
                "Say sslmode=require, or another one, in DATABASE_URL as well.",
            )
        default = default_mode(hosts_of(parts.netloc, query), with_token=with_token)
        return self.tls.overridden_by(query).resolved(default)


def _split(url: str) -> SplitResult:
    """The parts of a URL, none of which holds a piece of a password that ends before its time.

    Raises:
        UserError: it is not a PostgreSQL URL, or its password is not percent-encoded. Nothing of it is shown.
    """
    parts: SplitResult | None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in SCHEMES:
        raise UserError("The database URL is not a PostgreSQL URL.", f"Write it as {_FORM} in DATABASE_URL{_ENCODED}.")
    # The driver takes the user to end at the first `@`: what follows would be asked of the name service.
    if "#" in url or "@" in f"{parts.path}{parts.query}" or parts.netloc.count("@") > 1:
        raise UserError(
            "The database URL holds a # or an @ where none can be.", f"Write it as {_FORM} in DATABASE_URL{_ENCODED}."
        )
    return parts


def _query(parts: SplitResult) -> dict[str, str]:
    # SQLAlchemy's name for the option is `ssl`; libpq's and asyncpg's is `sslmode`.
    return {"sslmode" if key == "ssl" else key: value for key, value in parse_qsl(parts.query)}


Connect = Callable[..., Awaitable[Any]]


def connector(settings: DatabaseSettings, tokens: TokenProvider | None = None) -> Connect:
    """What opens one physical connection; each asks for its own password or token.

    Raises:
        UserError: the URL is not a PostgreSQL URL, or its sslmode is none.
    """
    encryption = settings.encryption()
    options: dict[str, Any] = {
        "dsn": settings.dsn(),
        "timeout": settings.connect_timeout_seconds,
        "command_timeout": settings.command_timeout_seconds,
        "server_settings": {"application_name": settings.application_name},
    }
    if settings.url is None:
        options |= {"host": settings.host, "port": settings.port, "user": settings.user, "database": settings.name}
        options["password"] = settings.password
    if settings.auth == "entra" or tokens is not None:
        options["password"] = CachedTokens(tokens or EntraTokenProvider()).password

    async def connect(*_: Any, **__: Any) -> Any:
        connection = await asyncpg.connect(ssl=encryption.for_driver(), **options)
        if settings.statement_timeout_seconds is not None:
            # Not as a setting of the connection's start, which poolers refuse.
            await connection.execute(f"SET statement_timeout = {int(settings.statement_timeout_seconds * 1000)}")
        return connection

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
        # Exceptions must not quote what was stored.
        "hide_parameters": True,
    }
    if "poolclass" not in engine_options:
        options |= {
            "pool_size": settings.pool_size,
            "max_overflow": settings.max_overflow,
            "pool_timeout": settings.connect_timeout_seconds,
        }
    engine = create_async_engine("postgresql+asyncpg://", **options, **engine_options)
    ask_idle_connections(engine)  # after an outage the pool mends itself
    return engine


async def check(settings: DatabaseSettings, tokens: TokenProvider | None = None) -> None:
    """Log in once and ask for nothing.

    Raises:
        UserError: what is wrong in one sentence: unreachable, wrong password, no such database, and what to do.
    """
    try:
        connection = await connector(settings, tokens)()
    except Exception as error:
        explained = explain(error, settings.address, with_token=settings.auth == "entra")
        if explained is None or explained is error:
            raise
        raise explained from error
    await connection.close()
