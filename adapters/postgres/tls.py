"""How a connection to PostgreSQL is encrypted, and whom we take the server for.

The modes are libpq's ("SSL Support" in PostgreSQL's manual). One default differs: to another machine nothing is sent
unencrypted unless somebody says so, where libpq would take what it gets.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote

from domain.errors import UserError

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""From nothing to everything."""

_ENCRYPTED = MODES[3:]
_SYSTEM = "system"
"""libpq's name for the certificate authorities that the operating system trusts."""

_HOW = "DATABASE_SSLMODE, or sslmode in DATABASE_URL"


class DatabaseTLSError(UserError):
    """The connection cannot be secured as it is set: waiting does not mend it."""


@dataclass(frozen=True, slots=True)
class TLS:
    """What is set about encryption.

    Attributes:
        mode: one of MODES; None = the default, see `resolved`.
        root_cert: a file of certificate authorities in PEM, or `system`.
        cert, key: files of our own certificate in PEM, where the server asks for one.
    """

    mode: str | None = None
    root_cert: str | None = None
    cert: str | None = None
    key: str | None = None

    def overridden_by(self, query: Mapping[str, str]) -> "TLS":
        """The same, but what a URL's own query says comes first."""
        return TLS(
            query.get("sslmode") or self.mode,
            query.get("sslrootcert") or self.root_cert,
            query.get("sslcert") or self.cert,
            query.get("sslkey") or self.key,
        )

    def resolved(self, default: str) -> "TLS":
        """The same with a mode.

        Raises:
            UserError: there is no such mode.
        """
        mode = self.mode or default
        if mode not in MODES:
            raise UserError(
                "The database's sslmode is none of those that there are.",
                f"Use one of {', '.join(MODES)} in {_HOW}.",
            )
        if self.root_cert == _SYSTEM and mode != "verify-full":
            # As libpq has it: anyone can get a certificate of a public authority, for a name of their own.
            raise UserError(
                f"sslrootcert=system with sslmode={mode} would trust anyone's certificate.",
                f"Use verify-full in {_HOW}.",
            )
        return TLS(mode, self.root_cert, self.cert, self.key)

    def query(self) -> dict[str, str]:
        """The files as the query of a URL, for the driver."""
        if self.mode not in _ENCRYPTED:
            return {}
        root = None if self.root_cert == _SYSTEM else self.root_cert
        named = {"sslrootcert": root, "sslcert": self.cert, "sslkey": self.key}
        return {name: file for name, file in named.items() if file}

    def for_driver(self) -> Any:
        """The driver's argument `ssl`: a mode, or a context.

        The files are read here once more than needed, as the driver's own complaint does not say which is at fault.

        Raises:
            DatabaseTLSError: a file cannot be read, or does not hold what it should.
        """
        if self.mode not in _ENCRYPTED:
            return self.mode
        context = ssl.create_default_context()
        if self.root_cert and self.root_cert != _SYSTEM:
            _read(self.root_cert, "DATABASE_SSL_ROOT_CERT (sslrootcert)", "certificate authorities")
            _load(lambda: context.load_verify_locations(cafile=self.root_cert), "sslrootcert", "certificates")
        if self.cert:
            _read(self.cert, "DATABASE_SSL_CERT (sslcert)", "our certificate")
            if self.key:
                _read(self.key, "DATABASE_SSL_KEY (sslkey)", "our key")
            # An empty password: a key that needs one is an error, and no question at the terminal.
            what = "a certificate and its key without a password"
            _load(lambda: context.load_cert_chain(self.cert or "", self.key, lambda: ""), "sslcert and sslkey", what)
        return context if self.root_cert == _SYSTEM else self.mode


def _read(file: str, setting: str, content: str) -> None:
    try:
        with open(file, "rb"):  # noqa: PTH123 - a path as the person wrote it
            pass
    except OSError as error:
        cause = (error.strerror or type(error).__name__).lower()
        raise DatabaseTLSError(
            f"The file {file} with {content} for the database cannot be read ({cause}).",
            f"Correct the path in {setting}, or let this user read it.",
        ) from None


def _load(load: Any, setting: str, content: str) -> None:
    try:
        load()
    except (ssl.SSLError, ValueError):
        raise DatabaseTLSError(
            f"The file for the database in {setting} does not hold {content} in PEM.",
            "Check that it is the right file; PEM begins with -----BEGIN.",
        ) from None


def default_mode(hosts: list[str], *, with_token: bool) -> str:
    """What counts where nothing is said: libpq's `prefer` within this machine, `require` to any other.

    Args:
        hosts: names, addresses or directories of sockets; none: the driver looks for them itself.
        with_token: whether an access token is sent, which opens more than a database's password does.
    """
    return "prefer" if not with_token and hosts and all(map(_is_here, hosts)) else "require"


def _is_here(host: str) -> bool:
    if host.startswith("/") or host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def hosts_of(netloc: str, query: Mapping[str, str]) -> list[str]:
    """The hosts in a URL, as the driver reads them."""
    given = netloc.partition("@")[2] if "@" in netloc else netloc
    listed = unquote(given) or query.get("host", "")
    return [_without_port(host) for host in listed.split(",") if host]


def _without_port(host: str) -> str:
    if host.startswith("/"):
        return host.partition(":")[0]
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def explain_tls(error: BaseException, address: str) -> DatabaseTLSError | None:
    """A connection that could not be secured as a person reads it, or None where that is not what failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, address)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return DatabaseTLSError(
            f"No encrypted connection to the database at {address} came about ({error.reason or 'TLS failed'}).",
            "Check that it speaks TLS 1.2 or newer, and whether it asks for a certificate (DATABASE_SSL_CERT, _KEY).",
        )
    # The driver has no classes of its own for these two.
    if type(error) is ConnectionError and "rejected SSL upgrade" in str(error):
        return DatabaseTLSError(
            f"The database at {address} does not take encrypted connections, and nothing else is sent there.",
            f"Turn on TLS there; or, on a network that you trust, say disable or prefer in {_HOW}.",
        )
    if "root certificate file" in str(error):
        return DatabaseTLSError(
            f"There are no certificate authorities to hold the database at {address} against.",
            "Name their file in DATABASE_SSL_ROOT_CERT (sslrootcert), or say system for those of this machine.",
        )
    return None


_WRONG_NAME_CODES = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""

_OTHER_MOMENT_CODES = {9: "is not valid yet", 10: "has expired"}


def _untrusted(error: ssl.SSLCertVerificationError, address: str) -> DatabaseTLSError:
    if error.verify_code in _WRONG_NAME_CODES:
        return DatabaseTLSError(
            f"The certificate of the database at {address} is for another name.",
            "Use the name that the certificate holds as the host; verify-ca would not look at the name.",
        )
    if error.verify_code in _OTHER_MOMENT_CODES:
        return DatabaseTLSError(
            f"The certificate of the database at {address} {_OTHER_MOMENT_CODES[error.verify_code]}.",
            "Renew it on the server, and check this machine's clock.",
        )
    return DatabaseTLSError(
        f"The certificate of the database at {address} comes from an authority that we do not trust.",
        "Name the file of its authority in DATABASE_SSL_ROOT_CERT (sslrootcert).",
    )
