"""Real services for tests: the environment's, else containers where a Docker engine answers, else embedded ones.

`TEST_SERVICES=env|containers|embedded` chooses by hand. Nothing here skips a test: what cannot start fails it.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import docker
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

from adapters.kafka.addresses import beyond_loopback
from runtime.embedded import kafka as embedded_kafka
from runtime.embedded import ports
from runtime.embedded import postgres as embedded_postgres

ENV, CONTAINERS, EMBEDDED = MODES = ("env", "containers", "embedded")
KAFKA_IMAGE = "apache/kafka:4.3.0"
POSTGRES_IMAGE = "postgres:18"


class Kafka(Protocol):
    """A broker. `kill` and `restart` keep data and address; a broker of the environment refuses them."""

    @property
    def bootstrap_servers(self) -> str: ...
    async def kill(self) -> None: ...
    async def restart(self) -> None: ...


class Postgres(Protocol):
    """A database server, by the URL of a user who may create databases; `kill` and `restart` as for `Kafka`."""

    @property
    def url(self) -> str: ...
    async def kill(self) -> None: ...
    async def restart(self) -> None: ...


def chosen_mode(environment: Mapping[str, str], docker_answers: Callable[[], bool]) -> str:
    """env, containers or embedded; see the module's docstring."""
    by_hand = environment.get("TEST_SERVICES")
    if by_hand:
        assert by_hand in MODES, f"TEST_SERVICES is {by_hand!r}; it must be one of {', '.join(MODES)}"
        return by_hand
    if environment.get("KAFKA_BOOTSTRAP_SERVERS") and environment.get("DATABASE_URL"):
        return ENV
    return CONTAINERS if docker_answers() else EMBEDDED


def docker_answers() -> bool:
    """Whether a Docker engine is there; takes two seconds at most."""
    try:
        client = docker.from_env(timeout=2)
    except DockerException:
        return False
    try:
        return bool(client.ping())
    except (DockerException, OSError):
        return False
    finally:
        client.close()


@asynccontextmanager
async def kafka_service(mode: str, directory: Path) -> AsyncIterator[Kafka]:
    """A broker of the given mode; an embedded one keeps its data in `directory`."""
    if mode == ENV:
        yield _reached_in_the_clear(Given(os.environ["KAFKA_BOOTSTRAP_SERVERS"]))
    elif mode == CONTAINERS:
        async with ContainerKafka() as kafka:
            yield _reached_in_the_clear(kafka)
    else:
        async with embedded_kafka_server(directory) as kafka:
            yield kafka


def _reached_in_the_clear(kafka: Kafka) -> Kafka:
    """A broker for tests may be on another machine, without TLS: our processes are told that this is meant."""
    if beyond_loopback(kafka.bootstrap_servers.split(",")):
        os.environ["KAFKA_ALLOW_PLAINTEXT"] = "true"
    return kafka


@asynccontextmanager
async def postgres_service(mode: str, directory: Path) -> AsyncIterator[Postgres]:
    """A database server of the given mode; an embedded one keeps its data in `directory`."""
    if mode == ENV:
        yield Given(os.environ["DATABASE_URL"])
    elif mode == CONTAINERS:
        async with ContainerPostgres() as postgres:
            yield postgres
    else:
        async with embedded_postgres.EmbeddedPostgres(directory) as postgres:
            yield postgres


def embedded_kafka_server(directory: Path) -> embedded_kafka.EmbeddedKafka:
    """An embedded broker with the settings that the environment names for it."""
    return embedded_kafka.EmbeddedKafka(directory, **embedded_kafka_options())


def embedded_kafka_options() -> dict[str, Any]:
    """Those settings, as an embedded broker takes them."""
    home, cache = os.environ.get("KAFKA_HOME"), os.environ.get("FEEDBACK_CACHE_DIR")
    return {
        "kafka_home": Path(home) if home else None,
        "maven_repository": os.environ.get("FEEDBACK_MAVEN_REPOSITORY"),
        "cache_directory": Path(cache) if cache else None,
    }


@asynccontextmanager
async def new_database(server_url: str) -> AsyncIterator[str]:
    """The URL of a new, empty database on a server; dropped afterwards, whoever is still connected."""
    parts = urlsplit(server_url)
    name = f"test_{secrets.token_hex(6)}"
    admin_url = urlunsplit(parts._replace(scheme=parts.scheme.partition("+")[0]))
    await _execute(admin_url, f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        await _execute(admin_url, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


class Given:
    """A service of the environment, which is not ours to kill."""

    def __init__(self, address: str) -> None:
        self.bootstrap_servers = self.url = address

    async def kill(self) -> None:
        raise AssertionError("a service of the environment cannot be killed; use fresh_kafka or TEST_SERVICES=embedded")

    restart = kill


class _Container:
    """A container on a port of the host that stays the same when it is killed and started again."""

    def __init__(self, image: str) -> None:
        self.port = ports.choose(set())
        self.container = DockerContainer(image)
        self.host = self.container.get_docker_client().host()

    def answers(self) -> Awaitable[bool]:
        raise NotImplementedError

    async def __aenter__(self):
        await asyncio.to_thread(self.container.start)
        await self._until_ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.container.stop)

    async def kill(self) -> None:
        await asyncio.to_thread(self.container.get_wrapped_container().kill)

    async def restart(self) -> None:
        await asyncio.to_thread(self.container.get_wrapped_container().restart)
        await self._until_ready()

    async def _until_ready(self) -> None:
        async with asyncio.timeout(60):
            while True:
                try:
                    if await self.answers():
                        return
                except (ConnectionError, TimeoutError):
                    pass
                await asyncio.sleep(0.1)


class ContainerKafka(_Container):
    """One KRaft node, configured as the embedded one is."""

    def __init__(self) -> None:
        super().__init__(KAFKA_IMAGE)
        self.bootstrap_servers = f"{self.host}:{self.port}"
        self.container.with_bind_ports(self.port, self.port).with_envs(
            KAFKA_NODE_ID="1",
            KAFKA_PROCESS_ROLES="broker,controller",
            KAFKA_LISTENERS=f"BROKER://:{self.port},CONTROLLER://:9093",
            KAFKA_ADVERTISED_LISTENERS=f"BROKER://{self.bootstrap_servers}",
            KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
            KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
            KAFKA_INTER_BROKER_LISTENER_NAME="BROKER",
            KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
            KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
            KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
        )

    def answers(self) -> Awaitable[bool]:
        return embedded_kafka.answers(self.bootstrap_servers)


class ContainerPostgres(_Container):
    """PostgreSQL with a superuser of our name."""

    def __init__(self) -> None:
        super().__init__(POSTGRES_IMAGE)
        password = secrets.token_urlsafe(12)
        self.url = f"postgresql://feedback:{password}@{self.host}:{self.port}/feedback"
        self.container.with_bind_ports(5432, self.port).with_envs(
            POSTGRES_USER="feedback", POSTGRES_PASSWORD=password, POSTGRES_DB="feedback"
        )

    def answers(self) -> Awaitable[bool]:
        return embedded_postgres.answers(self.url)
