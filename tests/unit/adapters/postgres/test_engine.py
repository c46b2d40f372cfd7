"""Database settings, tokens and whose fault an error is, without a database."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from adapters.postgres.database_errors import is_databases_fault, is_rows_fault, summary
from adapters.postgres.engine import DatabaseSettings, check, connector, create_engine
from adapters.postgres.tokens import AccessToken, CachedTokens, EntraTokenProvider, NoTokenError
from domain.errors import UserError


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_every_spelling_of_the_url_reaches_the_driver_alike(scheme):
    settings = DatabaseSettings(url=f"{scheme}://u:p%40ss@db.local:6543/feedback?ssl=require")

    assert settings.dsn() == "postgresql://u:p%40ss@db.local:6543/feedback?sslmode=require"
    assert settings.address == "db.local:6543/feedback"


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "", "just text", "postgresql://u:secret@h:port/d"])
def test_what_is_no_postgresql_url_is_refused_without_quoting_it(url):
    with pytest.raises(UserError, match="not a PostgreSQL URL") as caught:
        create_engine(DatabaseSettings(url=url))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *("postgresql://user:123/456secret@h.invalid/db", "postgresql://user:123?456secret@h.invalid/db"),
        *("postgresql://user:123#456secret@h.invalid/db", "postgresql://user:123#456secret"),
        *("postgresql://user:p@secret@h.invalid/db", "postgresql://user:secret/x@h.invalid/db"),
        *("postgresql://user:se[cret@127.0.0.1/db", "postgresql://[::1,secret]/db", "postgresql://u:secret\u2100@h/d"),
        "postgresql://h/d?user=u@secret",
    ],
)
async def test_a_password_that_is_not_encoded_is_refused_and_no_part_of_it_shown(url):
    settings = DatabaseSettings(url=url)
    with pytest.raises(UserError, match="The database URL") as caught:
        await check(settings)
    told = f"{caught.value} {caught.value.remedy} {settings.address}"
    assert "percent-encode the password" in caught.value.remedy
    assert "secret" not in told
    assert "456" not in told


async def test_a_port_that_is_no_number_is_told():
    with pytest.raises(UserError, match="cannot be understood"):
        await check(DatabaseSettings(url="postgresql:///d?host=127.0.0.1&port=abc"))


def test_passwords_are_not_shown():
    settings = DatabaseSettings(url="postgresql://u:secret@h/d", password="secret")

    assert "secret" not in repr(settings)
    assert "secret" not in settings.address
    assert DatabaseSettings(host="db", port=1, name="n").address == "db:1/n"


class Provider:
    def __init__(self, clock) -> None:
        self.clock = clock
        self.asked = 0

    async def get_token(self) -> AccessToken:
        self.asked += 1
        await asyncio.sleep(0)
        return AccessToken(f"token {self.asked}", self.clock.now + timedelta(minutes=10))


class Clock:
    now = datetime(2026, 11, 20, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


async def test_a_token_is_kept_until_two_minutes_before_it_expires():
    clock = Clock()
    provider = Provider(clock)
    tokens = CachedTokens(provider, clock)

    assert set(await asyncio.gather(*(tokens.password() for _ in range(5)))) == {"token 1"}
    clock.now += timedelta(minutes=7, seconds=59)
    assert await tokens.password() == "token 1"
    clock.now += timedelta(seconds=1)
    assert await tokens.password() == "token 2"
    assert provider.asked == 2


async def test_each_physical_connection_asks_for_its_token(monkeypatch):
    given = []

    async def connect(**options):
        given.append(await options["password"]())

    monkeypatch.setattr(asyncpg, "connect", connect)
    clock = Clock()
    open_connection = connector(DatabaseSettings(host="db", user="u", name="n", auth="entra"), Provider(clock))

    await open_connection()
    clock.now = datetime.now(UTC) + timedelta(days=1)
    await open_connection()

    assert given == ["token 1", "token 2"]


async def test_without_the_identity_package_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.identity.aio", None)

    with pytest.raises(UserError, match="azure-identity") as caught:
        await EntraTokenProvider().get_token()
    assert "pip install" in caught.value.remedy


@pytest.mark.parametrize("kind", [TimeoutError, ConnectionError, RuntimeError])
async def test_an_identity_service_that_fails_may_be_asked_again(monkeypatch, kind):
    class Credential:
        async def get_token(self, _scope):
            raise kind("a secret")

    package = ModuleType("azure.identity.aio")
    package.DefaultAzureCredential = Credential
    for name in ("azure", "azure.identity", "azure.identity.aio"):
        monkeypatch.setitem(sys.modules, name, package)
    with pytest.raises(NoTokenError) as caught:
        await EntraTokenProvider().get_token()
    assert "secret" not in caught.value.message
    assert is_databases_fault(caught.value)  # a sink or a reader that meets it later tries again


@pytest.mark.parametrize(
    ("error", "rows", "databases"),
    [
        (asyncpg.CharacterNotInRepertoireError("x"), True, True),
        (asyncpg.CheckViolationError("x"), True, True),
        (asyncpg.NumericValueOutOfRangeError("x"), True, True),
        (asyncpg.DataError("x"), True, True),
        (OverflowError("x"), True, False),
        (asyncpg.DeadlockDetectedError("x"), False, True),
        (asyncpg.DiskFullError("x"), False, True),
        (asyncpg.CannotConnectNowError("x"), False, True),
        (asyncpg.AdminShutdownError("x"), False, True),
        (asyncpg.UndefinedTableError("x"), False, True),
        (asyncpg.ConnectionDoesNotExistError("x"), False, True),
        (asyncpg.InterfaceError("connection is closed"), False, True),
        (asyncpg.InternalClientError("got result for unknown protocol state 3"), False, True),
        (ConnectionResetError("x"), False, True),
        (TimeoutError(), False, True),
        (DBAPIError("INSERT", None, asyncpg.TooManyConnectionsError("x")), False, True),
        (ZeroDivisionError(), False, False),
    ],
)
def test_whose_fault_an_error_is(error, rows, databases):
    assert (is_rows_fault(error), is_databases_fault(error)) == (rows, databases)


def test_a_summary_quotes_no_value():
    error = asyncpg.UniqueViolationError("Key (tenant_id)=(secret) already exists.")

    assert summary(error) == "UniqueViolationError 23505"
