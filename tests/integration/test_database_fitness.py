"""Whether a process may begin its work on the database: told before it does, with the remedy that mends it."""

import re
import secrets
import socket
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import text

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.fitness import DatabaseAwayError, ensure_usable
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.rights import KEEPING_KEYS, READING_USAGE, STORING_CALLS
from adapters.postgres.tls import TLS
from adapters.postgres.tokens import NoTokenError
from domain.errors import UserError
from tests.usage_support import llm_call, migrated_database


@pytest.fixture(scope="module")
async def stranger(postgres):
    """A migrated database, its owner's engine, and the settings and the engine of a user who may log in, no more."""
    name, password = f"s-{secrets.token_hex(4)}", secrets.token_hex(16)
    async with migrated_database(postgres.url) as (settings, owner):
        parts = urlsplit(settings.url)
        url = urlunsplit(parts._replace(netloc=f"{name}:{password}@{parts.netloc.rpartition('@')[2]}"))
        async with owner.begin() as connection:
            await connection.execute(text(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{password}'"))
        engine = create_engine(DatabaseSettings(url=url))
        try:
            yield owner, name, DatabaseSettings(url=url), engine
        finally:
            await engine.dispose()
            async with owner.begin() as connection:
                await connection.execute(text(f'DROP OWNED BY "{name}"'))
                await connection.execute(text(f'DROP ROLE "{name}"'))


async def test_a_user_without_rights_is_told_the_statement_that_grants_them(stranger):
    owner, name, settings, engine = stranger
    with pytest.raises(UserError, match="may not read the table alembic_version") as caught:
        await ensure_usable(settings, engine, STORING_CALLS)
    assert not isinstance(caught.value, DatabaseAwayError)

    async def told(rights) -> tuple[str, str]:
        with pytest.raises(UserError) as caught:
            await ensure_usable(settings, engine, rights)
        assert not isinstance(caught.value, DatabaseAwayError)
        return caught.value.message, re.search("`(GRANT.*?;)`", caught.value.remedy)[1]

    async def grant(statement: str) -> None:
        async with owner.begin() as connection:
            await connection.execute(text(statement))

    await grant(f'GRANT SELECT ON alembic_version, llm_calls TO "{name}"')
    message, statement = await told(STORING_CALLS)
    assert "INSERT on llm_calls" in message
    assert statement == (
        f'GRANT INSERT ON llm_calls TO "{name}"; GRANT SELECT, INSERT, UPDATE ON consumer_positions TO "{name}";'
    )
    rollups = [f"usage_{unit}{totals}" for totals in ("", "_totals") for unit in ("daily", "weekly", "monthly")]
    lacking = ", ".join([*rollups, "usage_marks", "consumer_positions", "usage_retention", "api_keys"])
    assert (await told(READING_USAGE))[1] == f'GRANT SELECT ON {lacking} TO "{name}";'
    assert (await told(KEEPING_KEYS))[1] == f'GRANT SELECT, INSERT, UPDATE (revoked_at) ON api_keys TO "{name}";'

    for one in statement.split("; "):
        await grant(one)
    await ensure_usable(settings, engine, STORING_CALLS)
    assert (await PostgresLLMCallSink(engine).write([llm_call()])).inserted == 1  # which is all that it takes


async def test_a_table_that_is_gone_is_no_outage(postgres):
    async with migrated_database(postgres.url) as (settings, engine):
        async with engine.begin() as connection:
            await connection.execute(text("DROP TABLE api_keys"))
        await ensure_usable(settings, engine, STORING_CALLS)
        with pytest.raises(UserError, match="no table api_keys") as caught:
            await ensure_usable(settings, engine, READING_USAGE)
        assert not isinstance(caught.value, DatabaseAwayError)


class Names:
    """A name service that knows `db.example` from the given look-up on."""

    def __init__(self, monkeypatch, real_host: str, code: int, known_from: float) -> None:
        self.asked = 0
        given = socket.getaddrinfo

        def look_up(host, *arguments, **options):
            if host != "db.example":
                return given(host, *arguments, **options)
            self.asked += 1
            if self.asked < known_from:
                raise socket.gaierror(code, "no")
            return given(real_host, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.fixture
async def by_name(postgres):
    """Settings and engine of a migrated database on the host `db.example`, and that host's real name."""
    async with migrated_database(postgres.url) as (settings, _):
        parts = urlsplit(settings.url)
        log_in = parts.netloc.rpartition("@")[0]
        url = urlunsplit(parts._replace(netloc=f"{log_in}@db.example:{parts.port}"))
        named = DatabaseSettings(url=url, tls=TLS("prefer"))  # it seems to be elsewhere
        engine = create_engine(named)
        yield named, engine, parts.hostname
        await engine.dispose()


async def test_a_host_name_that_nobody_knows_is_a_mistake(by_name, monkeypatch):
    settings, engine, host = by_name
    names = Names(monkeypatch, host, socket.EAI_NONAME, known_from=float("inf"))
    monkeypatch.setattr("adapters.postgres.fitness.LOOK_AGAIN_SECONDS", 0.01)
    for seconds in (0.0, 0.05):
        with pytest.raises(UserError, match=r"db\.example.* is not known") as caught:
            await ensure_usable(settings, engine, STORING_CALLS, host_seconds=seconds)
        assert not isinstance(caught.value, DatabaseAwayError)
        assert "DATABASE_HOST" in caught.value.remedy
    assert names.asked > 2


async def test_a_host_name_that_appears_a_moment_later_is_waited_for(by_name, monkeypatch):
    settings, engine, host = by_name
    names = Names(monkeypatch, host, socket.EAI_NONAME, known_from=4)
    monkeypatch.setattr("adapters.postgres.fitness.LOOK_AGAIN_SECONDS", 0.01)
    await ensure_usable(settings, engine, STORING_CALLS, host_seconds=10.0)
    assert names.asked >= 4


async def test_a_name_service_that_does_not_answer_is_an_outage(by_name, monkeypatch):
    settings, engine, host = by_name
    Names(monkeypatch, host, socket.EAI_AGAIN, known_from=float("inf"))
    with pytest.raises(DatabaseAwayError):
        await ensure_usable(settings, engine, STORING_CALLS)


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example"])
async def test_a_host_that_cannot_be_one_is_a_mistake(host):
    settings = DatabaseSettings(host=host, user="u", name="n")
    with pytest.raises(UserError) as caught:
        await ensure_usable(settings, create_engine(settings), STORING_CALLS)
    assert not isinstance(caught.value, DatabaseAwayError)


async def test_an_identity_service_that_gives_no_token_is_an_outage():
    class Away:
        async def get_token(self):
            raise NoTokenError("Microsoft Entra gave no access token.", "Check the identity.")

    class Missing:
        async def get_token(self):
            raise UserError("A package is missing.", "Install it.")

    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = DatabaseSettings(port=server.getsockname()[1], user="u", name="n", auth="entra", tls=TLS("disable"))
        with pytest.raises(DatabaseAwayError, match="no access token"):
            await ensure_usable(settings, create_engine(settings), STORING_CALLS, Away())
        with pytest.raises(UserError, match="package is missing") as caught:
            await ensure_usable(settings, create_engine(settings), STORING_CALLS, Missing())
        assert not isinstance(caught.value, DatabaseAwayError)
