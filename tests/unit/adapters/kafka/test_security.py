"""What is set for TLS and SASL fits together, or is one sentence with its remedy; nothing connects for that."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.security import KafkaSecurity, TlsFiles, secured
from domain.errors import UserError
from tests.kafka_tls import KEY_PASSWORD, Certificates, certificates

SASL: dict[str, Any] = {"mechanism": "SCRAM-SHA-256", "username": "u", "password": "canary"}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


def test_every_client_is_given_what_was_set_and_holds_host_names_against_certificates(files):
    own = TlsFiles(files.ca, files.client, files.locked_key, KEY_PASSWORD)
    connection = KafkaConnection("kafka.example:9093", secured("SASL_SSL", **SASL, files=own), plaintext_anywhere=False)
    options = connection.client_options()
    context = options.pop("ssl_context")
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"
    assert options == {
        "bootstrap_servers": ["kafka.example:9093"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "u",
        "sasl_plain_password": "canary",
    }
    assert "canary" not in repr(connection)
    assert secured() == KafkaSecurity()
    assert secured("SASL_PLAINTEXT", **SASL).client_options()["sasl_plain_password"] == "canary"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"protocol": "SASL_SSL"},
            ("KAFKA_SASL_MECHANISM and KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are not set",),
        ),
        ({"protocol": "SASL_PLAINTEXT", **SASL, "username": None}, ("KAFKA_SASL_USERNAME is not set",)),
        ({**SASL}, ("KAFKA_SECURITY_PROTOCOL is PLAINTEXT", "KAFKA_SASL_PASSWORD", "SASL_SSL")),
        ({"protocol": "SSL", **SASL}, ("KAFKA_SECURITY_PROTOCOL is SSL", "KAFKA_SASL_USERNAME", "SASL_SSL")),
    ],
)
def test_a_user_and_a_protocol_that_do_not_go_together(settings, words):
    _assert_refused(words, **settings)


@pytest.mark.parametrize(
    ("protocol", "change", "words"),
    [
        ("PLAINTEXT", {}, ("KAFKA_SSL_CA_FILE", "does not use it", "KAFKA_SECURITY_PROTOCOL=SSL")),
        ("SSL", {"ca": "none.pem"}, ("KAFKA_SSL_CA_FILE", "none.pem cannot be read (no such file")),
        ("SSL", {"ca": "."}, ("KAFKA_SSL_CA_FILE", "cannot be read")),
        ("SSL", {"ca": "client_key"}, ("KAFKA_SSL_CA_FILE", "holds no certificate")),
        ("SSL", {"certificate": "client"}, ("KAFKA_SSL_KEY_FILE is not",)),
        ("SSL", {"key": "client_key"}, ("KAFKA_SSL_CERTIFICATE_FILE is not",)),
        ("SSL", {"certificate": "client", "key": "none.pem"}, ("KAFKA_SSL_KEY_FILE", "cannot be read")),
        ("SSL", {"certificate": "client", "key": "ca"}, ("no certificate and key in PEM",)),
        ("SSL", {"certificate": "client", "key": "server"}, ("do not belong together",)),
        ("SSL", {"certificate": "client", "key": "locked_key"}, ("KAFKA_SSL_KEY_PASSWORD",)),
        ("SSL", {"certificate": "client", "key": "locked_key", "key_password": "canary"}, ("KAFKA_SSL_KEY_PASSWORD",)),
        ("SSL", {"certificate": "client", "key": "locked_key", "key_password": "canary" * 999}, ("KAFKA_SSL_KEY",)),
    ],
)
def test_files_that_cannot_be_used(files, protocol, change, words):
    named = {name: value if name == "key_password" else _file(files, value) for name, value in change.items()}
    _assert_refused(words, protocol=protocol, files=replace(TlsFiles(ca=files.ca), **named))


def _file(files: Certificates, name: str) -> Path:
    return getattr(files, name, Path(name))


def _assert_refused(words: tuple[str, ...], **settings: Any) -> None:
    with pytest.raises(UserError) as refused:
        secured(**settings)
    told = f"{refused.value.message} {refused.value.remedy}"
    assert "canary" not in told
    assert refused.value.__cause__ is None
    for word in words:
        assert word in told
