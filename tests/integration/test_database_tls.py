"""Encryption to a real PostgreSQL: what is verified, what is refused, and how a person is told."""

import asyncio
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from adapters.postgres.engine import DatabaseSettings, check, create_engine
from adapters.postgres.fitness import DatabaseAwayError, ensure_usable
from adapters.postgres.rights import STORING_CALLS
from adapters.postgres.tls import TLS, DatabaseTLSError
from tests.integration.tls_front import TLSFront, tls_front, with_netloc


@pytest.fixture(scope="module")
async def server(postgres, tmp_path_factory) -> AsyncIterator[TLSFront]:
    async with tls_front(postgres.url, tmp_path_factory.mktemp("tls")) as running:
        yield running


def parts_of(url: str, tls: TLS) -> DatabaseSettings:
    given = urlsplit(url)
    return DatabaseSettings(
        host=given.hostname or "",
        port=given.port or 0,
        user=given.username,
        password=given.password,
        name=given.path[1:],
        tls=tls,
    )


async def test_what_is_taken_and_how(server):
    server.taken.clear()
    full = TLS("verify-full", server.authority)
    for settings in (
        DatabaseSettings(url=f"{server.url}?sslmode=verify-full&sslrootcert={server.authority}"),
        DatabaseSettings(url=server.url, tls=full),
        parts_of(server.url, full),
        DatabaseSettings(url=server.by_address(), tls=TLS("verify-ca", server.authority)),
        DatabaseSettings(url=server.by_address(), tls=TLS("require")),
        DatabaseSettings(url=server.by_address()),  # prefer: it is to be had
    ):
        await check(settings)
    assert server.taken == [(True, None)] * 6
    await check(DatabaseSettings(url=server.url, tls=TLS("verify-full", server.authority, server.cert, server.key)))
    await check(DatabaseSettings(url=f"{server.url}?sslmode=disable", tls=full))
    assert server.taken[6:] == [(True, "feedback-client"), (False, None)]


@pytest.mark.parametrize(
    ("case", "sentence", "remedy"),
    [
        ("another authority", "comes from an authority that we do not trust", "DATABASE_SSL_ROOT_CERT"),
        ("another authority, verify-ca", "comes from an authority that we do not trust", "DATABASE_SSL_ROOT_CERT"),
        ("the system's authorities", "comes from an authority that we do not trust", "DATABASE_SSL_ROOT_CERT"),
        ("another name", "is for another name", "name that the certificate holds"),
        ("no authority", "no certificate authorities", "DATABASE_SSL_ROOT_CERT"),
        ("no file", r"cannot be read \(no such file", "DATABASE_SSL_ROOT_CERT"),
    ],
)
async def test_a_server_that_may_be_another_is_no_outage(server, monkeypatch, tmp_path, case, sentence, remedy):
    monkeypatch.setenv("HOME", str(tmp_path))
    server.taken.clear()
    url, tls = {
        "another authority": (server.url, TLS("verify-full", server.stranger)),
        "another authority, verify-ca": (server.url, TLS("verify-ca", server.stranger)),
        "the system's authorities": (server.url, TLS("verify-full", "system")),
        "another name": (server.by_address(), TLS("verify-full", server.authority)),
        "no authority": (server.url, TLS("verify-full")),
        "no file": (server.url, TLS("verify-full", str(tmp_path / "ca.pem"))),
    }[case]
    settings = DatabaseSettings(url=url, tls=tls)
    with pytest.raises(DatabaseTLSError, match=sentence) as caught:
        await ensure_usable(settings, create_engine(settings), STORING_CALLS)
    assert not isinstance(caught.value, DatabaseAwayError)
    assert remedy in caught.value.remedy
    assert server.taken == []  # not a byte of a log-in


async def test_a_server_without_tls_is_refused_where_it_is_not_known_to_be_this_machine(postgres, monkeypatch):
    with pytest.raises(DatabaseTLSError, match="does not take encrypted connections") as caught:
        await check(DatabaseSettings(url=postgres.url, tls=TLS("require")))
    assert "DATABASE_SSLMODE" in caught.value.remedy
    real, look_up = urlsplit(postgres.url).hostname, socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **o: look_up(real if host == "db.example" else host, *a, **o)
    )
    with pytest.raises(DatabaseTLSError, match=r"db\.example"):
        await check(DatabaseSettings(url=with_netloc(postgres.url, host="db.example")))


async def test_a_mistake_is_one_line_and_exit_code_2(feedback_says, server, postgres):
    async def run(**environment):
        return await asyncio.to_thread(feedback_says, "keys", "list", **environment)

    full = {"DATABASE_URL": server.url, "DATABASE_SSLMODE": "verify-full"}
    other = await run(**full, DATABASE_SSL_ROOT_CERT=server.stranger)
    other.assert_one_sentence("authority that we do not trust", "DATABASE_SSL_ROOT_CERT")
    name = await run(DATABASE_URL=f"{server.by_address()}?sslmode=verify-full&sslrootcert={server.authority}")
    name.assert_one_sentence("is for another name")
    none = await run(DATABASE_URL=postgres.url, PGSSLMODE="require")
    none.assert_one_sentence("does not take encrypted connections", "disable or prefer")
    wrong = await run(DATABASE_URL=server.url, DATABASE_SSLMODE="full")
    wrong.assert_one_sentence("DATABASE_SSLMODE", "verify-full")
    right = await run(**full, DATABASE_SSL_ROOT_CERT=server.authority)
    right.assert_one_sentence("does not have the schema of this release")
