"""Access tokens in place of a password: a port, a cache, and Microsoft Entra behind it."""

import asyncio
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from domain.errors import UserError

EARLY = timedelta(minutes=2)
"""A token is fetched anew this long before it expires: time enough to log in with it."""

_ENTRA_SCOPE = "https://ossrdbms-aad.database.windows.net/.default"


class NoTokenError(UserError):
    """The identity service was asked and gave no token.

    It may be down, slow, or not know us yet, as just after a machine's start; or it never will know us. The two cannot
    be told apart: Microsoft's client reports both alike. Whoever can wait asks again; whoever cannot tells the person.
    """


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a database takes as a password, for a while."""

    token: str = field(repr=False)
    expires_at: datetime


class TokenProvider(Protocol):
    """Where tokens come from: a cloud's identity service."""

    async def get_token(self) -> AccessToken:
        """A token that is valid now.

        Raises:
            NoTokenError: the identity service gives none now.
            UserError: it cannot be asked here, however often: a package is missing, say.
        """
        ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


class CachedTokens:
    """Asked for each physical connection; asks its provider only when the last token is about to expire."""

    def __init__(self, provider: TokenProvider, now: Callable[[], datetime] = _utc_now) -> None:
        self._provider = provider
        self._now = now
        self._last: AccessToken | None = None
        self._lock = asyncio.Lock()

    async def password(self) -> str:
        """The token, as asyncpg asks for a password."""
        async with self._lock:
            if self._last is None or self._now() >= self._last.expires_at - EARLY:
                self._last = await self._provider.get_token()
            return self._last.token


class EntraTokenProvider:
    """Microsoft Entra tokens for Azure Database for PostgreSQL, by the environment's own identity."""

    def __init__(self) -> None:
        self._credential: Any = None

    async def get_token(self) -> AccessToken:
        """A token from `DefaultAzureCredential`: a managed identity, a workload identity, a developer's login.

        Raises:
            NoTokenError: it gives none now.
            UserError: the package azure-identity is not installed.
        """
        if self._credential is None:
            self._credential = _identity_package().DefaultAzureCredential()
        try:
            token = await self._credential.get_token(_ENTRA_SCOPE)
        except Exception as error:  # noqa: BLE001 - whatever a credential raises: each kind has its own
            failure = type(error).__name__
        else:
            return AccessToken(token.token, datetime.fromtimestamp(token.expires_on, UTC))
        # Out of the exception's reach: it may hold the identity service's whole answer.
        raise NoTokenError(
            f"Microsoft Entra gave no access token for the database ({failure}).",
            "Check this machine's managed identity or login, or use DATABASE_AUTH=password.",
        )


def _identity_package() -> Any:
    try:
        return importlib.import_module("azure.identity.aio")
    except ImportError as error:
        raise UserError(
            "DATABASE_AUTH=entra needs the Python package azure-identity, which is not installed here.",
            "Run `pip install azure-identity aiohttp`, or use DATABASE_AUTH=password.",
        ) from error
