"""Which encryption counts, by what is set and where the server is."""

import ssl

import asyncpg
import pytest

from adapters.postgres.database_errors import explain
from adapters.postgres.engine import DatabaseSettings, connector, create_engine
from adapters.postgres.tls import TLS, DatabaseTLSError, explain_tls
from domain.errors import UserError


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        (DatabaseSettings(url="postgresql://u:p@127.0.0.1:5432/d"), "prefer"),
        (DatabaseSettings(url="postgresql://u:p@localhost/d"), "prefer"),
        (DatabaseSettings(url="postgresql://u:p@[::1]:5432/d"), "prefer"),
        (DatabaseSettings(url="postgresql://u:p@%2Fvar%2Frun%2Fpostgresql:5433/d"), "prefer"),
        (DatabaseSettings(url="postgresql:///d?host=/var/run/postgresql"), "prefer"),
        (DatabaseSettings(host="127.0.0.1"), "prefer"),
        (DatabaseSettings(url="postgresql://u:p@db.example:5432/d"), "require"),
        (DatabaseSettings(url="postgresql://u:p@10.0.0.1/d"), "require"),
        (DatabaseSettings(url="postgresql://u:p@[2001:db8::1]/d"), "require"),
        (DatabaseSettings(url="postgresql://u:p@/d?host=127.0.0.1,db.example:5433"), "require"),
        (DatabaseSettings(url="postgresql:///d"), "require"),  # PGHOST could name any
        (DatabaseSettings(host="db.example"), "require"),
        (DatabaseSettings(host="127.0.0.1", auth="entra"), "require"),
        (DatabaseSettings(url="postgresql://u@localhost/d", auth="entra"), "require"),
        (DatabaseSettings(url="postgresql://u:p@db.example/d?sslmode=disable"), "disable"),
        (DatabaseSettings(url="postgresql://u:p@db.example/d?ssl=verify-full", tls=TLS("disable")), "verify-full"),
        (DatabaseSettings(url="postgresql://u:p@db.example/d", tls=TLS("verify-ca")), "verify-ca"),
        (DatabaseSettings(url="postgresql://u:p@db.example/d?service=s&sslmode=require"), "require"),
        (DatabaseSettings(host="db.example", tls=TLS("prefer")), "prefer"),
    ],
)
def test_nothing_weaker_than_require_leaves_this_machine_unless_said(settings, mode):
    assert settings.encryption().mode == mode


def test_files_of_the_settings_count_where_the_url_names_none():
    tls = TLS("verify-full", "/ca.pem", "/us.pem", "/us.key")
    parts = DatabaseSettings(host="db.example", tls=tls)
    assert parts.dsn() == "postgresql://?sslrootcert=%2Fca.pem&sslcert=%2Fus.pem&sslkey=%2Fus.key"
    url = DatabaseSettings(url="postgresql://u@db.example/d?sslrootcert=/theirs.pem", tls=TLS("verify-full", "/ca.pem"))
    assert url.dsn() == "postgresql://u@db.example/d?sslrootcert=%2Ftheirs.pem"
    # What is not encrypted needs no files: they may belong to another database.
    assert DatabaseSettings(host="db.example", tls=TLS("disable", "/not/there")).encryption().for_driver() == "disable"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (DatabaseSettings(url="postgresql://u:secret@h/d?sslmode=full"), "none of those"),
        (DatabaseSettings(url="postgresql://u:secret@h/d?service=s"), "names a service"),
        (DatabaseSettings(url="postgresql://u:secret@h/d?sslrootcert=system"), "trust anyone's certificate"),
    ],
)
def test_what_cannot_be_meant_is_told_before_anything_connects(settings, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        create_engine(settings)
    assert "secret" not in str(caught.value)


async def test_files_that_are_not_there_or_something_else_are_told(tmp_path):
    other = tmp_path / "other.pem"
    other.write_text("not a certificate")
    cases = {
        "no such file": TLS("verify-full", str(tmp_path / "none.pem")),
        "does not hold certificates in PEM": TLS("require", str(other)),
        "does not hold a certificate and its key": TLS("require", None, str(other), str(other)),
        "our key for the database cannot be read": TLS("require", None, str(other), str(tmp_path)),
    }
    for sentence, tls in cases.items():
        with pytest.raises(DatabaseTLSError, match=sentence) as caught:
            await connector(DatabaseSettings(host="db.example", tls=tls))()
        assert caught.value.remedy


def test_the_systems_authorities_are_a_context_that_looks_at_the_name():
    context = DatabaseSettings(host="db.example", tls=TLS("verify-full", "system")).encryption().for_driver()
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_only_what_tls_is_to_blame_for_is_told_as_such():
    missing = asyncpg.exceptions.ClientConfigurationError('root certificate file "~/.postgresql/root.crt" does not ...')
    assert "DATABASE_SSL_ROOT_CERT" in explain_tls(missing, "h:1/d").remedy
    for error in (ConnectionRefusedError("x"), ConnectionError("cut"), ssl.SSLEOFError("cut"), TimeoutError()):
        assert explain_tls(error, "h:1/d") is None


def test_a_server_that_wants_encryption_or_a_token_says_what_to_do():
    refused = asyncpg.InvalidAuthorizationSpecificationError("no pg_hba.conf entry for host ..., no encryption")
    assert "DATABASE_SSLMODE" in explain(refused, "h:1/d").remedy
    assert "access token" in explain(asyncpg.InvalidPasswordError("x"), "h:1/d", with_token=True).message
