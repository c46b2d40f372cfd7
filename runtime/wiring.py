"""The composition root: what each process is made of. Nothing is wired elsewhere."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.frameworks import KafkaFrameworkCatalogue
from adapters.kafka.header_names import take_any_header_names
from adapters.kafka.publisher import KafkaPublisher
from adapters.llm.factory import open_model
from adapters.llm.recording import RecordingModel
from adapters.llm.settings import LLMSettings
from adapters.postgres.engine import DatabaseSettings, Engine, check, create_engine
from adapters.postgres.fitness import DatabaseAwayError, ensure_usable
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import is_current
from adapters.postgres.rights import KEEPING_KEYS, READING_USAGE, STORING_CALLS, Rights
from adapters.postgres.tls import TLS
from adapters.postgres.usage import PostgresUsageReader
from domain.delivery.delivery import Delivery
from domain.delivery.settings import DeliverySettings
from domain.errors import UserError
from domain.ports import EventPublisher
from runtime.kafka_security import kafka_security
from runtime.metrics.figures import ConsumerFigures, WorkerFigures
from runtime.metrics.serving import serving_metrics
from runtime.process import collect_garbage_less_often, first, run_with
from runtime.settings import DEFAULT_API_PORT, Settings

logger = logging.getLogger(__name__)

_WINDOW = 4096

_UP = "start everything at once with `feedback up` and, in another terminal, `set -a; source .feedback/env; set +a`."
"""The file holds no `export`, as other programs read it too: `source` alone would hand nothing on to a program."""

_HOST_SECONDS = 10.0
"""A host name that is unknown for so long at the start is a mistake: the process ends, and may be started again."""


def kafka_connection(settings: Settings) -> KafkaConnection:
    """How to reach Kafka. From here on every consumer of this process, whoever opens it, reads any client's records.

    Raises:
        UserError: no address is set, or it may not or cannot be used as TLS and SASL are set.
    """
    take_any_header_names()
    if not settings.kafka_bootstrap_servers:
        raise UserError(
            "KAFKA_BOOTSTRAP_SERVERS is not set.",
            f"Set it to host:port of your Kafka, or {_UP}",
        )
    return KafkaConnection(
        settings.kafka_bootstrap_servers, kafka_security(settings), plaintext_anywhere=settings.kafka_allow_plaintext
    )


def publisher(settings: Settings) -> KafkaPublisher:
    """Durable sends to Kafka, to be entered.

    Raises:
        UserError: no address is set.
    """
    return KafkaPublisher(kafka_connection(settings), settings.kafka_delivery_timeout_seconds)


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
    tls = TLS(
        settings.database_sslmode,
        settings.database_ssl_root_cert,
        settings.database_ssl_cert,
        settings.database_ssl_key,
    )
    if settings.database_url is not None:
        return DatabaseSettings(url=settings.database_url.get_secret_value(), auth=settings.database_auth, tls=tls)
    if not settings.database_host:
        raise UserError(
            "DATABASE_URL is not set.",
            f"Set it to postgresql://user:password@host:5432/name, or {_UP}",
        )
    return DatabaseSettings(
        host=settings.database_host,
        port=settings.database_port,
        user=settings.database_user,
        password=settings.database_password.get_secret_value() if settings.database_password else None,
        name=settings.database_name,
        auth=settings.database_auth,
        tls=tls,
    )


@asynccontextmanager
async def database_engine(settings: Settings) -> AsyncIterator[Engine]:
    """Connections to PostgreSQL, closed in the end.

    Raises:
        UserError: the database is not set, or cannot be reached.
    """
    await check(database_settings(settings))
    async with _unchecked_engine(settings) as engine:
        yield engine


@asynccontextmanager
async def _unchecked_engine(settings: Settings) -> AsyncIterator[Engine]:
    """The same without a look whether the database is there."""
    engine = create_engine(database_settings(settings))
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def _patient_engine(settings: Settings, rights: Rights) -> AsyncIterator[Engine]:
    """For a process that can wait for the database: an outage is a warning, as replicas start in any order.

    Raises:
        UserError: waiting would not help: a wrong password, an unknown host or database, a schema that is not there,
            rights that we lack.
    """
    async with _unchecked_engine(settings) as engine:
        try:
            await ensure_usable(database_settings(settings), engine, rights, host_seconds=_HOST_SECONDS)
        except DatabaseAwayError as error:
            logger.warning("%s Started without it; it is used as soon as it answers. %s", error.message, error.remedy)
        yield engine


@asynccontextmanager
async def key_store(settings: Settings) -> AsyncIterator[PostgresKeyStore]:
    """The API keys.

    Raises:
        UserError: the database is not set, cannot be reached, has no such table, or does not let us at it.
    """
    async with _unchecked_engine(settings) as engine:
        await ensure_usable(database_settings(settings), engine, KEEPING_KEYS)
        yield PostgresKeyStore(engine)


def llm_settings(settings: Settings) -> LLMSettings:
    """The model and how to reach it.

    Raises:
        UserError: values that do not go together.
    """
    return LLMSettings(
        model=settings.llm_model,
        api_key=settings.llm_api_key.get_secret_value() if settings.llm_api_key else None,
        api_base=settings.llm_api_base,
        attempt_timeout_seconds=settings.llm_attempt_timeout_seconds,
        max_connections=settings.max_in_flight,
        input_cost_per_token=settings.llm_input_cost_per_token,
        output_cost_per_token=settings.llm_output_cost_per_token,
    )


def delivery_settings(settings: Settings) -> DeliverySettings:
    """How much at once, how long, and when to stop."""
    return DeliverySettings(
        max_in_flight=settings.max_in_flight,
        framework_wait_seconds=settings.framework_wait_seconds,
        framework_token_budget=settings.framework_token_budget,
        deadline_seconds=settings.invocation_deadline_seconds,
        dead_letter_share=settings.dead_letter_share,
    )


@asynccontextmanager
async def delivery(
    settings: Settings, figures: WorkerFigures
) -> AsyncIterator[tuple[Delivery, KafkaFrameworkCatalogue]]:
    """What answers one input, with all that it needs; and the catalogue, which must be watched.

    Args:
        settings: this process's.
        figures: written by all of it.

    Raises:
        UserError: Kafka cannot be reached, or the model cannot be used as it is set.
    """
    connection, letters = kafka_connection(settings), figures.dead_letters
    async with AsyncExitStack() as stack:
        events = await stack.enter_async_context(publisher(settings))
        chosen = await stack.enter_async_context(open_model(llm_settings(settings)))
        model = RecordingModel(chosen, events, settings.llm_attempt_timeout_seconds, tally=figures.calls)
        stack.push_async_callback(model.aclose)
        catalogue = await stack.enter_async_context(KafkaFrameworkCatalogue(connection, events, tally=letters))
        chosen_settings = delivery_settings(settings)
        yield Delivery(model, events, catalogue, figures.breaker, chosen_settings, dead_letters=letters), catalogue


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """A stream worker, until `stop` is set and it has drained; or until `stop` is set while it starts.

    Raises:
        UserError: it cannot start as it is set.
        WorkerHaltedError: going on would do harm.
        BrokerUnavailableError: Kafka was away for too long.
    """
    from streams.settings import WorkerSettings
    from streams.worker import run_worker as run_stream_worker

    connection = kafka_connection(settings)
    worker = WorkerSettings(
        bootstrap_servers=connection.bootstrap_servers,
        security=connection.security.client_options(),
        group_id=settings.worker_group,
        instance_id=settings.worker_instance_id,
        # Much more than are at work: those that wait for their frameworks must not hold up their neighbours.
        window=_WINDOW + 4 * settings.max_in_flight,
        drain_seconds=settings.drain_seconds,
    )
    figures = WorkerFigures()

    @asynccontextmanager
    async def parts() -> AsyncIterator[tuple[Delivery, KafkaFrameworkCatalogue]]:
        topics = (worker.records_topic, worker.requests_topic)
        async with (
            serving_metrics(settings, figures, connection, worker.group_id, topics),
            delivery(settings, figures) as found,
        ):
            yield found

    async def work(found: tuple[Delivery, KafkaFrameworkCatalogue]) -> None:
        handler, catalogue = found
        collect_garbage_less_often()
        await first(run_stream_worker(worker, handler, stop, status=figures.status), catalogue.failed())

    await run_with(parts(), work, stop)


async def run_consumer(settings: Settings, stop: asyncio.Event) -> None:
    """The consumer of LLM-call events, until `stop` is set.

    Raises:
        UserError: Kafka cannot be reached at the start, or PostgreSQL cannot be used as it is set.
        BrokerUnavailableError: Kafka failed in a way that trying again does not mend.
    """
    from consumers.llm_calls import LLMCallConsumerSettings, consume_llm_calls

    connection = kafka_connection(settings)
    consumer = LLMCallConsumerSettings(
        kafka={**connection.client_options(), "group_instance_id": settings.consumer_instance_id},
        group_id=settings.consumer_group,
        drain_seconds=settings.drain_seconds,
    )
    figures = ConsumerFigures()

    @asynccontextmanager
    async def parts() -> AsyncIterator[tuple[PostgresLLMCallSink, EventPublisher]]:
        async with (
            serving_metrics(settings, figures, connection, consumer.group_id, (consumer.topic,)),
            _sink_and_publisher(settings) as found,
        ):
            yield found

    async def work(found: tuple[PostgresLLMCallSink, EventPublisher]) -> None:
        await consume_llm_calls(consumer, *found, stop, figures.progress)

    await run_with(parts(), work, stop)


@asynccontextmanager
async def _sink_and_publisher(settings: Settings) -> AsyncIterator[tuple[PostgresLLMCallSink, EventPublisher]]:
    async with publisher(settings) as events, _patient_engine(settings, STORING_CALLS) as engine:
        yield PostgresLLMCallSink(engine), events


async def run_api(settings: Settings, stop: asyncio.Event) -> None:
    """The read API, until `stop` is set. It starts, and says 503, while the database is away.

    Raises:
        UserError: the address cannot be listened on, or the database cannot be used as it is set.
    """
    from api.app import create_app
    from api.rate_limits import RateLimits
    from api.server import listen, serve

    @asynccontextmanager
    async def parts() -> AsyncIterator[tuple[socket.socket, Engine]]:
        database_settings(settings)
        with listen(settings.api_host, settings.api_port or DEFAULT_API_PORT) as listener:
            async with _patient_engine(settings, READING_USAGE) as engine:
                yield listener, engine

    async def work(found: tuple[socket.socket, Engine]) -> None:
        listener, engine = found
        rates = RateLimits(settings.api_requests_per_minute, settings.api_failures_per_minute)
        app = create_app(
            PostgresUsageReader(engine), PostgresKeyStore(engine), partial(is_current, engine), rate_limits=rates
        )
        await serve(app, listener, stop)

    await run_with(parts(), work, stop)
