"""The running system: servers, topics, schema, then worker, consumer, roller and API, each a supervised process.

Used by `feedback up`, `feedback demo` and `feedback run`; they differ in what they do with it.
"""

import asyncio
import hashlib
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters.kafka.admin import ensure_topics
from adapters.postgres.migrate import migrate
from domain.errors import FeedbackError
from runtime import directories, wiring
from runtime.embedded import ports
from runtime.embedded.errors import DirectoryNotWritableError
from runtime.embedded.lock import DirectoryLock
from runtime.embedded.server import EmbeddedServer
from runtime.embedded.services import services
from runtime.kafka_security import refuse_for_embedded_kafka
from runtime.settings import DEFAULT_API_PORT, Settings, as_environment, load_settings
from runtime.system.api_probe import until_ready
from runtime.system.metrics_ports import check_free, metrics_ports, metrics_url
from runtime.system.supervisor import Command, Supervisor

logger = logging.getLogger(__name__)

_REVOKE_SECONDS = 5.0

PROCESSES_FILE = "processes.json"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a system consists of, beyond the servers and one consumer.

    Attributes:
        directory: for data, logs and the list of processes.
        workers: how many stream workers; none where others are at work.
        api: whether there is a read API.
        judge: whether there is a judge of results.
        budgets: whether there is a watch on them.
        roller: whether rollups are kept; without them usage is answered from rows, which is as good for a few.
        lasting: whether its members of Kafka's groups have lasting names. One that was killed is then back in seconds;
            but none of them leaves when it stops: on a shared Kafka, whoever comes next waits until it is missed.
    """

    directory: Path
    workers: int = 1
    api: bool = True
    judge: bool = False
    roller: bool = False
    budgets: bool = False
    lasting: bool = True


@dataclass(frozen=True, slots=True)
class System:
    """A running system.

    Attributes:
        settings: with the addresses of the servers in use filled in.
        supervisor: keeps its processes alive.
        api_url: where the read API answers; empty where there is none.
        api_key: a superuser's key for it; empty where there is none.
        metrics_urls: where each process serves its metrics, by its name; empty where METRICS_PORT asks for none.
    """

    settings: Settings = field(repr=False)
    supervisor: Supervisor
    api_url: str
    api_key: str = field(repr=False)
    metrics_urls: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class ServerWard:
    """An embedded server under the supervisor's care (fulfils `Ward`)."""

    server: EmbeddedServer

    @property
    def pid(self) -> int:
        """See `Ward`."""
        return self.server.pid

    async def start(self) -> None:
        """See `Ward`."""
        await self.server.restart()

    async def wait(self) -> int:
        """See `Ward`."""
        return await self.server.wait()

    async def stop(self) -> None:
        """See `Ward`."""
        await self.server.stop()

    def last_words(self) -> str:
        """See `Ward`."""
        return ""


@asynccontextmanager
async def running_system(
    given: Settings, shape: Shape, announce: Callable[[str], None], starting: Callable[[str], None]
) -> AsyncIterator[System]:
    """Start everything; the end of the context stops everything and leaves no process behind.

    Args:
        given: the settings, as the person made them.
        shape: what to start.
        announce: told in whole lines of other steps, of deaths and new starts, and of a port that is not the usual one.
        starting: told what is being started, for a person who waits.

    Raises:
        UserError: something that the person can mend keeps it from starting.
    """
    # Before anything is started.
    metrics = _metrics_ports(given, shape)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_alone_in(shape.directory))
        check_free(given, metrics.values(), api=shape.api)
        settings, servers = await stack.enter_async_context(_servers(given, shape, announce, starting))
        announce("Creating topics and database schema ...")
        await ensure_topics(
            wiring.kafka_connection(settings), settings.kafka_topic_partitions, settings.kafka_replication_factor
        )
        await migrate(wiring.database_settings(settings))
        supervisor = Supervisor(announce, lambda pids: _write_processes(shape.directory, pids))
        try:
            for name, server in servers.items():
                await supervisor.add(name, ServerWard(server), running=True)
            async with _running_processes(settings, shape, supervisor, announce, starting) as system:
                yield system
        finally:
            await supervisor.stop()
            (shape.directory / PROCESSES_FILE).unlink(missing_ok=True)


@asynccontextmanager
async def _alone_in(directory: Path) -> AsyncIterator[None]:
    """One system per directory, on servers of others too: two would overwrite each other's files, and their processes,
    having the same lasting names, end each other.

    Raises:
        DirectoryInUseError: another process's system runs in it.
        DirectoryNotWritableError: it cannot be used.
    """
    lock = _lock_of(directory)
    try:
        await lock.acquire()
    except OSError as error:
        cause = (error.strerror or type(error).__name__).lower()
        raise DirectoryNotWritableError(directory, cause, setting="FEEDBACK_HOME") from error
    try:
        yield
    finally:
        lock.release()


def _lock_of(directory: Path) -> DirectoryLock:
    directories.make_private(directory)
    return DirectoryLock(directory.absolute())


@asynccontextmanager
async def _servers(
    settings: Settings, shape: Shape, announce: Callable[[str], None], starting: Callable[[str], None]
) -> AsyncIterator[tuple[Settings, dict[str, EmbeddedServer]]]:
    kafka, database = settings.kafka_bootstrap_servers, wiring.database_url(settings)
    # Before a server is started.
    if kafka:
        wiring.kafka_connection(settings)
    else:
        refuse_for_embedded_kafka(settings)
    wanted = [name for name, given in (("Apache Kafka", kafka), ("PostgreSQL", database)) if not given]
    if wanted:
        starting(f"embedded {' and '.join(wanted)}")
    else:
        announce("Connecting to Kafka and PostgreSQL ...")
    async with services(
        kafka_bootstrap_servers=kafka,
        database_url=database,
        directory=shape.directory,
        maven_repository=settings.feedback_maven_repository,
        kafka_home=settings.kafka_home,
        cache_directory=settings.feedback_cache_dir,
    ) as found:
        resolved = load_settings(
            **settings.model_dump(exclude={"kafka_bootstrap_servers", "database_url", "database_sslmode"}),
            kafka_bootstrap_servers=found.kafka_bootstrap_servers,
            database_url=found.database_url if not database else settings.database_url,
            # The embedded server listens on this machine only and has no certificate, whatever is set for another one.
            database_sslmode="disable" if not database else settings.database_sslmode,
        )
        yield resolved, found.servers


@asynccontextmanager
async def _running_processes(
    settings: Settings,
    shape: Shape,
    supervisor: Supervisor,
    announce: Callable[[str], None],
    starting: Callable[[str], None],
) -> AsyncIterator[System]:
    logs = shape.directory / "logs"
    directories.keep_private(logs)

    metrics = _metrics_ports(settings, shape)
    metrics_urls = {name: metrics_url(settings, port) for name, port in metrics.items()}

    async def add(name: str, command: str, **overrides: object) -> None:
        overrides["metrics_port"] = metrics.get(name, 0)
        if shape.lasting and command not in ("api", "roller", "budgets"):
            overrides[f"{command}_instance_id"] = f"{_lasting_name(shape.directory)}-{name}"
        environment = as_environment(settings, **overrides)
        ward = Command((command,), logs / f"{name}.log", environment, settings.drain_seconds + 15)
        await supervisor.add(name, ward)

    starting(_processes_of(shape))
    await add("consumer", "consumer")
    for name in _workers_of(shape):
        await add(name, "worker")
    for name in _further(shape):
        await add(name, name)
    if not shape.api:
        yield System(settings, supervisor, "", "", metrics_urls)
        return
    port = settings.api_port or _free_api_port(announce, set(metrics.values()))
    await add("api", "api", api_port=port)
    url = f"http://{settings.api_host}:{port}"
    await until_ready(url, supervisor)
    async with _own_key(settings) as key:
        yield System(settings, supervisor, url, key, metrics_urls)


def _workers_of(shape: Shape) -> list[str]:
    return ["worker"] if shape.workers == 1 else [f"worker-{number}" for number in range(1, shape.workers + 1)]


def _metrics_ports(settings: Settings, shape: Shape) -> dict[str, int]:
    return metrics_ports(settings, ["consumer", *_workers_of(shape), *_further(shape)], api=shape.api)


def _further(shape: Shape) -> list[str]:
    """The processes that only some systems have."""
    return [name for name in ("judge", "roller", "budgets") if getattr(shape, name)]


def _processes_of(shape: Shape) -> str:
    """`2 workers, consumer and API`: what is started, and nothing else."""
    workers = ["worker" if shape.workers == 1 else f"{shape.workers} workers"] if shape.workers else []
    names = [*workers, "consumer"]
    names += [*_further(shape), *["API"] * shape.api]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _free_api_port(announce: Callable[[str], None], taken: set[int]) -> int:
    """The port that people expect; where somebody has it, another one, and a line that says so."""
    if DEFAULT_API_PORT not in taken and ports.is_free(DEFAULT_API_PORT):
        return DEFAULT_API_PORT
    port = ports.choose(taken)
    announce(f"Port {DEFAULT_API_PORT} is taken: the API uses port {port} this time. Choose one with API_PORT.")
    return port


@asynccontextmanager
async def _own_key(settings: Settings) -> AsyncIterator[str]:
    """A superuser's key that opens nothing any more once the system is gone: its database may be a lasting one."""
    async with wiring.key_store(settings) as keys:
        key = await keys.create("feedback-up", superuser=True, label="made by feedback up")
    try:
        yield key.text
    finally:
        try:
            async with asyncio.timeout(_REVOKE_SECONDS), wiring.key_store(settings) as keys:
                await keys.revoke(key.prefix)
        except (FeedbackError, TimeoutError) as error:
            logger.warning("The API key %s could not be revoked (%s).", key.prefix, type(error).__name__)


def _lasting_name(directory: Path) -> str:
    """The same for each start in this directory; another in every other one: two members of one name end each other."""
    return hashlib.sha256(f"{socket.gethostname()}:{directory.absolute()}".encode()).hexdigest()[:12]


def _write_processes(directory: Path, pids: dict[str, int]) -> None:
    """Replace the file at once, so that a reader never sees half of it."""
    file = directory / PROCESSES_FILE
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(pids, indent=2) + "\n")
    draft.replace(file)
