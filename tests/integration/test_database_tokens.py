"""DATABASE_AUTH=entra on a real PostgreSQL: the token is the password, for as long as it is valid."""

import asyncio
import logging
import secrets
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest
from sqlalchemy import text

from adapters.postgres.engine import DatabaseSettings, check, connector, create_engine
from adapters.postgres.fitness import DatabaseAwayError, ensure_usable
from adapters.postgres.rights import READING_USAGE
from adapters.postgres.tls import TLS
from adapters.postgres.tokens import AccessToken
from domain.errors import UserError
from tests.integration.tls_front import with_netloc
from tests.usage_support import migrated_database


class Identity:
    """An identity service whose tokens the server takes: each is the role's password until the next is made."""

    def __init__(self, owner, role: str) -> None:
        self._owner, self._role = owner, role
        self.asked = 0
        self.valid_for = timedelta(hours=1)
        self.last = ""

    async def get_token(self) -> AccessToken:
        self.asked += 1
        self.last = f"token-{secrets.token_hex(16)}"
        async with self._owner.begin() as connection:
            await connection.execute(text(f"ALTER ROLE {self._role} PASSWORD '{self.last}'"))
        return AccessToken(self.last, datetime.now(UTC) + self.valid_for)


@pytest.fixture
async def identity(postgres) -> AsyncIterator[tuple[Identity, DatabaseSettings]]:
    role = f"entra_{secrets.token_hex(4)}"
    async with migrated_database(postgres.url) as (settings, owner):
        async with owner.begin() as connection:
            await connection.execute(text(f"CREATE ROLE {role} LOGIN"))
            await connection.execute(text(f"GRANT feedback_api TO {role}"))
        url = with_netloc(settings.url, user=role, password="not-used")
        yield Identity(owner, role), DatabaseSettings(url=url, auth="entra", tls=TLS("prefer"))
        async with owner.begin() as connection:
            await connection.execute(text(f"DROP ROLE {role}"))


async def log_in(connect) -> None:
    await (await connect()).close()


async def test_one_token_for_many_connections_until_it_is_about_to_expire(identity):
    service, settings = identity
    connect = connector(settings, service)
    await asyncio.gather(*(log_in(connect) for _ in range(4)))
    assert service.asked == 1

    service.valid_for = timedelta(seconds=119)  # less than the two minutes that it must still be good for
    connect = connector(settings, service)
    for asked in (2, 3, 4):
        await log_in(connect)
        assert service.asked == asked


async def test_the_pool_uses_the_new_token_for_its_next_physical_connection(identity):
    service, settings = identity
    service.valid_for = timedelta(seconds=1)
    engine = create_engine(settings, service)
    try:
        await ensure_usable(settings, engine, READING_USAGE, service)
        before = service.asked
        async with engine.connect() as one, engine.connect() as two:
            for connection in (one, two):
                assert await connection.scalar(text("SELECT 1")) == 1
        assert service.asked == before + 1  # one connection was there, one is new
    finally:
        await engine.dispose()


async def test_a_token_that_the_server_refuses_is_one_sentence_and_no_outage(identity):
    service, settings = identity

    class Wrong:
        async def get_token(self) -> AccessToken:
            return AccessToken("eyJ.a-token.x", datetime.now(UTC) + timedelta(hours=1))

    with pytest.raises(UserError, match="refused the user name or the access token") as caught:
        await ensure_usable(settings, create_engine(settings, Wrong()), READING_USAGE, Wrong())
    assert not isinstance(caught.value, DatabaseAwayError)
    assert "a-token" not in repr(caught.value) + str(caught.value.__cause__)
    await check(settings, service)


def an_identity_package(monkeypatch, get_token) -> None:
    """What `DATABASE_AUTH=entra` imports, with a credential of ours."""
    package = ModuleType("azure.identity.aio")
    package.DefaultAzureCredential = type("Credential", (), {"get_token": get_token})
    for name in ("azure", "azure.identity", "azure.identity.aio"):
        monkeypatch.setitem(sys.modules, name, package)


async def test_the_command_line_says_what_failed_and_never_the_token(identity, feedback_says, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    service, settings = identity
    environment = {"DATABASE_URL": settings.url, "DATABASE_AUTH": "entra", "DATABASE_SSLMODE": "prefer"}

    async def run(**changed):
        return await asyncio.to_thread(feedback_says, "keys", "list", **environment | changed)

    async def fails(_self, _scope):
        raise RuntimeError(
            "HTTP 401 from the token endpoint: {'refresh_token': 'a-secret', 'client_secret': 'a-secret'}"
        )

    an_identity_package(monkeypatch, fails)
    ended = await run()
    ended.assert_one_sentence("Microsoft Entra gave no access token", "managed identity")

    async def wrong(_self, _scope):
        return type("Token", (), {"token": "a-secret", "expires_on": datetime.now(UTC).timestamp() + 3600})

    an_identity_package(monkeypatch, wrong)
    refused = await run()
    refused.assert_one_sentence("refused the user name or the access token", "DATABASE_USER")
    unencrypted = await run(DATABASE_SSLMODE="")  # a token goes nowhere unencrypted, unless that is said
    unencrypted.assert_one_sentence("does not take encrypted connections")
    for said in (ended, refused, unencrypted):
        assert "a-secret" not in said.out + said.err + caplog.text
    assert service.asked == 0
