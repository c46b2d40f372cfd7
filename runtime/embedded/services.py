"""The services that a process needs: those that are given, embedded ones for the rest."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.embedded.errors import UnsupportedPlatformError

if TYPE_CHECKING:
    from runtime.embedded.server import EmbeddedServer


@dataclass(frozen=True, slots=True)
class Services:
    """Where the services are.

    Attributes:
        kafka_bootstrap_servers: host:port, or several with commas.
        database_url: postgresql://user:password@host:port/database.
        servers: the servers that we started, by name: `kafka`, `postgres`.
    """

    kafka_bootstrap_servers: str
    database_url: str
    servers: "dict[str, EmbeddedServer]" = field(default_factory=dict)


@asynccontextmanager
async def services(
    *,
    kafka_bootstrap_servers: str | None,
    database_url: str | None,
    directory: Path,
    maven_repository: str | None = None,
    kafka_home: Path | None = None,
    cache_directory: Path | None = None,
) -> AsyncIterator[Services]:
    """Kafka and PostgreSQL, for as long as the context lasts; its end stops the embedded ones and keeps their data.

    Args:
        kafka_bootstrap_servers: a Kafka to use; None (or empty) starts an embedded one in `directory`/kafka.
        database_url: a PostgreSQL to use; None (or empty) starts an embedded one in `directory`/postgres.
        directory: for the data of the embedded servers; one process at a time may use it.
        maven_repository: where Kafka's jars are fetched the first time; None for Maven Central.
        kafka_home: an unpacked Kafka distribution to run instead.
        cache_directory: where the jars are kept; None for the user's cache directory.

    Raises:
        EmbeddedServiceError: an embedded server cannot run here; see `errors`.
    """
    if kafka_bootstrap_servers and database_url:
        yield Services(kafka_bootstrap_servers, database_url)
        return
    if sys.platform == "win32":
        raise UnsupportedPlatformError("Windows")
    # Here, because they need modules that Windows lacks.
    from runtime.embedded.kafka import EmbeddedKafka
    from runtime.embedded.postgres import EmbeddedPostgres

    kafka = EmbeddedKafka(
        directory / "kafka", kafka_home=kafka_home, maven_repository=maven_repository, cache_directory=cache_directory
    )
    postgres = EmbeddedPostgres(directory / "postgres")
    wanted: dict[str, EmbeddedServer] = {}
    if not kafka_bootstrap_servers:
        wanted["kafka"] = kafka
    if not database_url:
        wanted["postgres"] = postgres
    async with AsyncExitStack() as stack:
        for server in wanted.values():
            stack.push_async_callback(server.stop)
        try:
            async with asyncio.TaskGroup() as group:
                for server in wanted.values():
                    group.create_task(server.start())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None  # one sentence for a person, not two
        yield Services(
            kafka_bootstrap_servers or kafka.bootstrap_servers,
            database_url or postgres.url,
            wanted,
        )
