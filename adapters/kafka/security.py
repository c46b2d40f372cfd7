"""TLS and SASL: checked as a whole, before anything connects, then one value that every client is made from.

Raised sentences name variables and files, never a password or a file's content. A host name is always held against the
server's certificate; nothing turns that off.
"""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from domain.errors import UserError

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_UNENCRYPTED = ("PLAINTEXT", "SASL_PLAINTEXT")
_SASL = ("SASL_PLAINTEXT", "SASL_SSL")


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """How the connection is kept private, and how we prove who we are. `secured` makes one from what a person set.

    Attributes:
        protocol: as Kafka names it.
        mechanism, username, password: for the SASL protocols.
        ssl_context: for the TLS protocols; whom we trust, and our own certificate, if there is one.
    """

    protocol: SecurityProtocol = "PLAINTEXT"
    mechanism: SaslMechanism | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def encrypted(self) -> bool:
        """Whether what travels cannot be read on the way."""
        return self.protocol not in _UNENCRYPTED

    def client_options(self) -> dict[str, Any]:
        """What every aiokafka client takes."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.encrypted:
            options["ssl_context"] = self.ssl_context
        if self.protocol in _SASL:
            options["sasl_mechanism"] = self.mechanism
            options["sasl_plain_username"] = self.username
            options["sasl_plain_password"] = self.password
        return options


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files, all optional.

    Attributes:
        ca: the authorities that we trust; without it, those that the system trusts.
        certificate: our own, with what it was signed by, for a Kafka that asks for one.
        key: of that certificate.
        key_password: of that key, where it is encrypted.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    key_password: str | None = field(default=None, repr=False)


def secured(
    protocol: SecurityProtocol = "PLAINTEXT",
    mechanism: SaslMechanism | None = None,
    username: str | None = None,
    password: str | None = None,
    files: TlsFiles | None = None,
) -> KafkaSecurity:
    """The value that stands for these settings.

    Raises:
        UserError: they do not go together, or a file cannot be used.
    """
    files = files or TlsFiles()
    sasl = {"KAFKA_SASL_MECHANISM": mechanism, "KAFKA_SASL_USERNAME": username, "KAFKA_SASL_PASSWORD": password}
    if protocol in _SASL:
        _all_of(sasl, protocol)
    else:
        _none_of(sasl, protocol, "SASL_SSL")
    if protocol not in _UNENCRYPTED:
        return KafkaSecurity(protocol, mechanism, username, password, _context(files))
    _none_of(
        {
            "KAFKA_SSL_CA_FILE": files.ca,
            "KAFKA_SSL_CERTIFICATE_FILE": files.certificate,
            "KAFKA_SSL_KEY_FILE": files.key,
            "KAFKA_SSL_KEY_PASSWORD": files.key_password,
        },
        protocol,
        "SASL_SSL" if protocol in _SASL else "SSL",
    )
    return KafkaSecurity(protocol, mechanism, username, password)


def _all_of(settings: dict[str, str | None], protocol: str) -> None:
    missing = [name for name, value in settings.items() if not value]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise UserError(
            f"KAFKA_SECURITY_PROTOCOL is {protocol}, but {' and '.join(missing)} {verb} not set.",
            "Set the mechanism (PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512), the user and the password.",
        )


def _none_of(settings: dict[str, Any], protocol: str, instead: str) -> None:
    given = [name for name, value in settings.items() if value is not None]
    if given:
        verb, them = ("is", "it") if len(given) == 1 else ("are", "them")
        raise UserError(
            f"{' and '.join(given)} {verb} set, but KAFKA_SECURITY_PROTOCOL is {protocol}, which does not use {them}.",
            f"Set KAFKA_SECURITY_PROTOCOL={instead}, or unset the others.",
        )


def _context(files: TlsFiles) -> ssl.SSLContext:
    for name, file in (("CA", files.ca), ("CERTIFICATE", files.certificate), ("KEY", files.key)):
        if file is not None:
            _must_be_readable(f"KAFKA_SSL_{name}_FILE", file)
    try:
        context = ssl.create_default_context(cafile=files.ca)  # which requires a certificate, and its host name
    except ssl.SSLError:
        raise UserError(
            f"KAFKA_SSL_CA_FILE: {files.ca} holds no certificate.",
            "Name a PEM file with the certificate of the authority that signed those of your brokers.",
        ) from None
    _add_own_certificate(context, files)
    return context


def _must_be_readable(variable: str, file: Path) -> None:
    try:
        with file.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        cause = (error.strerror or type(error).__name__).lower()
        raise UserError(
            f"{variable}: {file} cannot be read ({cause}).", "Check the path and its permissions."
        ) from None


def _add_own_certificate(context: ssl.SSLContext, files: TlsFiles) -> None:
    if files.certificate is None:
        if files.key is not None or files.key_password is not None:
            raise UserError(
                "KAFKA_SSL_KEY_FILE or KAFKA_SSL_KEY_PASSWORD is set, but KAFKA_SSL_CERTIFICATE_FILE is not.",
                "Set KAFKA_SSL_CERTIFICATE_FILE to the certificate of that key, or unset them.",
            )
        return
    if files.key is None:
        raise UserError(
            "KAFKA_SSL_CERTIFICATE_FILE is set, but KAFKA_SSL_KEY_FILE is not.",
            "Set KAFKA_SSL_KEY_FILE to the certificate's private key (a PEM file).",
        )
    try:
        # Never None for the password: OpenSSL would ask at the terminal.
        context.load_cert_chain(files.certificate, files.key, password=files.key_password or "")
    except (ssl.SSLError, ValueError) as error:  # ValueError: a password over OpenSSL's length
        mismatch = getattr(error, "reason", None) == "KEY_VALUES_MISMATCH"
        wrong = "do not belong together" if mismatch else "are no certificate and key in PEM that can be opened"
        raise UserError(
            f"KAFKA_SSL_CERTIFICATE_FILE ({files.certificate}) and KAFKA_SSL_KEY_FILE ({files.key}) {wrong}.",
            "Check both files and, where the key is encrypted, KAFKA_SSL_KEY_PASSWORD.",
        ) from None
