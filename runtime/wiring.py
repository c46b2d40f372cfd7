"""The composition root: what each process is made of. One context manager per process; nothing is wired elsewhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.kafka.connection import KafkaConnection
from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.keys import PostgresKeyStore
from domain.errors import UserError
from runtime.settings import Settings


def kafka_connection(settings: Settings) -> KafkaConnection:
    """How to reach Kafka.

    Raises:
        UserError: no address is set.
    """
    if not settings.kafka_bootstrap_servers:
        raise UserError(
            "KAFKA_BOOTSTRAP_SERVERS is not set.",
            "Set it to host:port of your Kafka, or start everything with `feedback up` and source .feedback/env.",
        )
    return KafkaConnection(settings.kafka_bootstrap_servers)


def database_url(settings: Settings) -> str | None:
    """Something that names a database, or None where none is set and an embedded one is meant."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return f"postgresql://{settings.database_host}" if settings.database_host else None


def database_settings(settings: Settings) -> DatabaseSettings:
    """How to reach PostgreSQL.

    Raises:
        UserError: neither a URL nor a host is set.
    """
    if settings.database_url is not None:
        return DatabaseSettings(url=settings.database_url.get_secret_value(), auth=settings.database_auth)
    if not settings.database_host:
        raise UserError(
            "DATABASE_URL is not set.",
            "Set it to postgresql://user:password@host:5432/name, or start everything at once with `feedback up` "
            "and source .feedback/env.",
        )
    return DatabaseSettings(
        host=settings.database_host,
        port=settings.database_port,
        user=settings.database_user,
        password=settings.database_password.get_secret_value() if settings.database_password else None,
        name=settings.database_name,
        auth=settings.database_auth,
    )


@asynccontextmanager
async def key_store(settings: Settings) -> AsyncIterator[PostgresKeyStore]:
    """The API keys."""
    engine = create_engine(database_settings(settings))
    try:
        yield PostgresKeyStore(engine)
    finally:
        await engine.dispose()
