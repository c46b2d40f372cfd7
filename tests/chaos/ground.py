"""The servers that cases run on: one real broker and one real database server, mended after each case."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.kafka.admin import ensure_topics
from adapters.kafka.connection import KafkaConnection
from runtime.embedded.postgres import EmbeddedPostgres
from tests.chaos.kafka_checkpoint import remembered
from tests.chaos.proxied_kafka import ProxiedKafka, proxied_kafka
from tests.integration.system_support import PARTITIONS, empty_topics


@dataclass
class Ground:
    """The servers.

    Attributes:
        kafka: the broker; `bootstrap_servers` is it, `proxied_bootstrap_servers` the way through its proxy.
        postgres: the database server.
    """

    kafka: ProxiedKafka
    postgres: EmbeddedPostgres

    async def mend(self) -> None:
        """Both servers run, and nothing stands in the way to them."""
        self.kafka.proxy.pass_all()
        for server in (self.kafka, self.postgres):
            if server.running:
                os.kill(server.pid, signal.SIGCONT)
            else:
                await server.start()

    async def clear(self) -> None:
        """As `mend`, and there is nothing on our topics but frameworks."""
        await self.mend()
        await ensure_topics(KafkaConnection(self.kafka.bootstrap_servers), PARTITIONS, 1)
        emptied = await empty_topics(self.kafka.bootstrap_servers)
        await remembered(self.kafka.data, {(place.topic, place.partition): end for place, end in emptied.items()})


@asynccontextmanager
async def a_ground(home: Path) -> AsyncIterator[Ground]:
    """Start both servers; they are gone at the end."""
    async with proxied_kafka(home / "kafka") as kafka, EmbeddedPostgres(home / "postgres") as postgres:
        yield Ground(kafka, postgres)
