"""The Faust app: configured for raw bytes, without tables, web server, leader topic, producer or command line.

Our own publisher does all sends: Faust's `await topic.send()` only queues, its flush hides failed sends, and it has no
idempotence setting. Everything is made here, for one worker; importing this module makes nothing.
"""

import logging
from collections.abc import Mapping
from typing import Any

import faust
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP
from faust.types.auth import CredentialsT
from yarl import URL

from domain.delivery.remade_topics import RemadeTopics
from domain.ports import TopicIds
from streams.backlog import Backlog
from streams.consumer import Transport
from streams.handler import Handler
from streams.in_order import InOrder
from streams.lease import Lease
from streams.settings import WorkerSettings
from streams.status import WorkerStatus

log = logging.getLogger(__name__)


class Boot(BootStrategy):
    """Start no producer and no web server."""

    enable_kafka_producer = False
    enable_web = False
    enable_sensors = False


class Resume(Recovery):
    """What resumes the flow after a rebalance."""

    async def _wait(self, coro: Any, timeout: Any = None) -> None:  # noqa: ASYNC109, ARG002 - Faust's signature
        # Faust takes a time-out here for a stop, ends this task, and never reads another message.
        await super()._wait(coro)


class NoTables(TableManager):
    """Faust's table manager decides when the flow begins; with no tables there is nothing to wait for."""

    @property
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = Resume(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class RawSchema(faust.Schema[Any, Any]):
    """Bytes stay bytes. A decode error inside Faust would acknowledge the message before our code saw it."""

    def compile(self, app: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's signature
        async def decode(message: Any, *, propagate: bool = False) -> Any:  # noqa: ARG001 - Faust's signature
            return message

        return decode


class WorkerApp(faust.App):
    """One worker's app.

    Attributes:
        engine: the inputs in flight.
        backlog: what was fetched and not yet pulled.
        lease: whether Kafka may still take this worker for alive.
        remade_topics: tells a topic from one that had its name before.
        status: live figures.
    """

    BootStrategy = Boot
    engine: InOrder
    backlog: Backlog
    lease: Lease
    remade_topics: RemadeTopics
    status: WorkerStatus
    revoke_seconds: float

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:  # noqa: ARG002 - Faust's signature
        """Partitions are taken away: finish what can be, commit it, give up the rest."""
        if self.should_stop:
            return  # the worker has done all this within its own bounds
        await self.engine.settle(self.revoke_seconds)
        await consumer.commit()
        self.engine.forget()
        self.status.assigned = ()

    def _on_rebalance_when_stopped(self) -> None:
        """Nothing: Faust would close the consumer from the wrong event loop."""

    async def _on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self.lease.renew()
        self.engine.forget()
        await super()._on_partitions_assigned(assigned, generation_id)
        self.status.assigned = tuple(sorted(f"{tp.topic}/{tp.partition}" for tp in assigned))
        self.status.rebalances += 1
        log.info("assigned partitions: %s", ", ".join(self.status.assigned) or "none")


def create_app(
    settings: WorkerSettings, handler: Handler, status: WorkerStatus, topic_ids: TopicIds | None = None
) -> WorkerApp:
    """The app of one worker, with its engine, without agents. Call it inside the running event loop."""
    app = WorkerApp(settings.group_id, **_configuration(settings))
    app.transport = Transport(app.conf.broker_consumer, app)
    app.status = status
    app.revoke_seconds = settings.revoke_seconds
    app.backlog = Backlog(settings.buffer // 2)
    app.remade_topics = RemadeTopics(topic_ids)
    app.lease = Lease(settings.session_seconds)
    app.engine = InOrder(handler, settings.window, lambda: app.rebalancing_count, status, app.lease)
    return app


def raw_topic(app: WorkerApp, name: str) -> Any:
    """A topic of raw bytes that Faust neither creates nor acknowledges."""
    return app.topic(name, schema=RawSchema(), acks=False, internal=False)


def _credentials(security: Mapping[str, Any]) -> CredentialsT | None:
    """TLS and SASL in Faust's words; it hands them on to aiokafka as they are."""
    context = security.get("ssl_context")
    if mechanism := security.get("sasl_mechanism"):
        return faust.SASLCredentials(
            username=security["sasl_plain_username"],
            password=security["sasl_plain_password"],
            ssl_context=context,
            mechanism=mechanism,
        )
    return faust.SSLCredentials(context) if context is not None else None


def _configuration(settings: WorkerSettings) -> Mapping[str, Any]:
    return {
        "broker_credentials": _credentials(settings.security),
        "broker": [URL(f"aiokafka://{address.strip()}") for address in settings.bootstrap_servers.split(",")],
        "autodiscover": False,
        "datadir": settings.data_directory,
        "store": "memory://",
        "web_enabled": False,
        "table_standby_replicas": 0,  # with standby replicas Faust assigns partitions its own way
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "TableManager": NoTables,
        "broker_client_id": settings.group_id,
        "broker_commit_interval": settings.commit_seconds,
        "broker_session_timeout": settings.session_seconds,
        "broker_heartbeat_interval": settings.heartbeat_seconds,
        "broker_rebalance_timeout": settings.rebalance_seconds,
        "broker_max_poll_interval": settings.poll_seconds,
        "broker_max_poll_records": settings.buffer,
        "consumer_auto_offset_reset": "earliest",
        "consumer_metadata_max_age_ms": 10_000,  # a topic that comes back is seen after this long; usually 5 minutes
        "consumer_group_instance_id": settings.instance_id,
        "stream_buffer_maxsize": 0,  # bounded by Backlog
        "stream_wait_empty": False,
        "stream_recovery_delay": 0.0,
        "processing_guarantee": "at_least_once",
    }
