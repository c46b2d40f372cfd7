"""TLS and SASL for Kafka, from the settings."""

from pydantic import SecretStr

from adapters.kafka.security import KafkaSecurity, TlsFiles, secured
from domain.errors import UserError
from runtime.settings import Settings


def kafka_security(settings: Settings) -> KafkaSecurity:
    """How to speak with the Kafka that is set.

    Raises:
        UserError: the settings do not go together, or a file cannot be used.
    """
    return secured(
        settings.kafka_security_protocol,
        settings.kafka_sasl_mechanism,
        settings.kafka_sasl_username,
        _plain(settings.kafka_sasl_password),
        TlsFiles(
            ca=settings.kafka_ssl_ca_file,
            certificate=settings.kafka_ssl_certificate_file,
            key=settings.kafka_ssl_key_file,
            key_password=_plain(settings.kafka_ssl_key_password),
        ),
    )


def refuse_for_embedded_kafka(settings: Settings) -> None:
    """An embedded Kafka is reached from this machine only, and has neither TLS nor users.

    Raises:
        UserError: the settings ask for one of them.
    """
    if kafka_security(settings).protocol != "PLAINTEXT":
        raise UserError(
            f"KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol}, but KAFKA_BOOTSTRAP_SERVERS is not set, "
            "and the embedded Kafka has neither TLS nor users.",
            "Set KAFKA_BOOTSTRAP_SERVERS to host:port of your Kafka, or unset KAFKA_SECURITY_PROTOCOL and what belongs "
            "to it.",
        )


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
