"""Why Kafka does not answer, as a sentence and its remedy: wrong password, wrong certificate, wrong protocol.

aiokafka logs what went wrong with each address, then raises one error that does not say; so we listen to its log.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from aiokafka.errors import (
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from adapters.kafka.addresses import read
from adapters.kafka.security import KafkaSecurity
from domain.errors import UserError

_OTHER_NAME = {62, 64}
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""
PROBE_SECONDS = 1.0


class Listening(logging.Filter):
    """Keeps some of aiokafka's logs from being written while it is entered, and keeps the errors that they speak of.

    Args:
        loggers: which, by their names; by default those of connections.

    Attributes:
        errors: oldest first.
    """

    def __init__(self, *loggers: str) -> None:
        super().__init__()
        self._loggers = [logging.getLogger(name) for name in loggers or ("aiokafka", "aiokafka.conn")]
        self.errors: list[BaseException] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Take it, let none through. Who stops it takes it for all who listen: the others are not asked."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        for listening in _listening_to(logging.getLogger(record.name)):
            listening.errors += [argument for argument in arguments if isinstance(argument, BaseException)]
        return False

    def __enter__(self) -> Self:
        for logger in self._loggers:
            if not _listening_to(logger):
                _levels[logger.name] = logger.level
                logger.setLevel(logging.INFO)  # a command at a terminal has silenced them, and we would hear nothing
            logger.addFilter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for logger in self._loggers:
            logger.removeFilter(self)
            if not _listening_to(logger):
                logger.setLevel(_levels.pop(logger.name))


_levels: dict[str, int] = {}
"""Of the loggers that are listened to, as they were before: several listen to one at a time, and end in any order."""


def _listening_to(logger: logging.Logger) -> list[Listening]:
    return [found for found in logger.filters if isinstance(found, Listening)]


async def explained(errors: list[BaseException], security: KafkaSecurity, addresses: list[str]) -> UserError | None:
    """What a person can do about these errors; None where there is nothing better to say than that Kafka is away."""
    where = ", ".join(addresses)
    chain = [cause for error in errors for cause in _causes(error)]
    for cause in chain:
        if (found := _about_certificates(cause, where) or _about_the_user(cause, security, where)) is not None:
            return found
    if security.encrypted:
        if any(map(_broken_off, chain)):
            return _no_tls(where, security)
    elif any([await _speaks_tls(address) for address in addresses]):
        return UserError(
            f"Kafka at {where} speaks TLS, and KAFKA_SECURITY_PROTOCOL is {security.protocol}.",
            "Set KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL, or name the port of a listener without TLS.",
        )
    return _hung_up(where, security) if any(isinstance(cause, EOFError) for cause in chain) else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _about_certificates(error: BaseException, where: str) -> UserError | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_NAME:
            return UserError(
                f"The certificate of Kafka at {where} is for another host name.",
                "Name the brokers in KAFKA_BOOTSTRAP_SERVERS, and in their advertised.listeners, as their certificates "
                "do.",
            )
        return UserError(
            f"The certificate of Kafka at {where} is not trusted ({error.verify_message}).",
            "Set KAFKA_SSL_CA_FILE to the certificate of the authority that signed it.",
        )
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return UserError(
            f"Kafka at {where} refused our certificate, the lack of one, or our version of TLS "
            f"({(error.reason or '').replace('_', ' ').lower()}).",
            "Set KAFKA_SSL_CERTIFICATE_FILE and KAFKA_SSL_KEY_FILE to a certificate that it trusts.",
        )
    return None


def _about_the_user(error: BaseException, security: KafkaSecurity, where: str) -> UserError | None:
    if isinstance(error, SaslAuthenticationFailed):
        return UserError(
            f"Kafka at {where} refused the user or the password ({security.mechanism}).",
            "Check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM.",
        )
    if isinstance(error, UnsupportedSaslMechanismError):
        return UserError(
            f"Kafka at {where} does not take the mechanism {security.mechanism}.",
            "Set KAFKA_SASL_MECHANISM to one that its listener has enabled.",
        )
    if isinstance(error, IllegalSaslStateError):
        return UserError(
            f"Kafka at {where} asks no one for a user there, and KAFKA_SECURITY_PROTOCOL is {security.protocol}.",
            f"Set KAFKA_SECURITY_PROTOCOL={security.protocol.removeprefix('SASL_')} (without the KAFKA_SASL_ "
            "settings), or name the port of a listener with SASL.",
        )
    return None


def _broken_off(error: BaseException) -> bool:
    """How a handshake ends with one who does not understand it."""
    return isinstance(error, ssl.SSLError | ConnectionResetError | ConnectionAbortedError)


def _no_tls(where: str, security: KafkaSecurity) -> UserError:
    return UserError(
        f"Kafka at {where} broke off the TLS connection, or speaks no TLS there; KAFKA_SECURITY_PROTOCOL is "
        f"{security.protocol}.",
        "Name the port of a listener with that protocol, or set KAFKA_SECURITY_PROTOCOL to that of the listener.",
    )


def _hung_up(where: str, security: KafkaSecurity) -> UserError:
    return UserError(
        f"What listens at {where} took the connection and closed it; KAFKA_SECURITY_PROTOCOL is {security.protocol}.",
        "Check that this is Kafka's port, and that KAFKA_SECURITY_PROTOCOL is the protocol of that listener.",
    )


async def _speaks_tls(address: str) -> bool:
    """Whether there is a TLS server. Nothing is sent to it: a certificate that is not trusted is answer enough."""
    try:
        host, port = read(address)
        async with asyncio.timeout(PROBE_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context())
    except ssl.SSLError as error:
        return isinstance(error, ssl.SSLCertVerificationError) or "ALERT" in (error.reason or "")
    except (OSError, EOFError, TimeoutError, ValueError):  # ValueError: what a broker names is no address
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
