"""What each long-running process is made of."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial

from adapters.kafka.frameworks import KafkaFrameworkCatalogue
from adapters.kafka.topic_ids import KafkaTopicIds
from adapters.postgres.agreement import PostgresAgreementReader
from adapters.postgres.codings import PostgresCodingSink, PostgresCorrectionSink
from adapters.postgres.dead_letter_counts import PostgresDeadLetterReader
from adapters.postgres.dead_letters import PostgresDeadLetterSink
from adapters.postgres.engine import Engine
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import is_current
from adapters.postgres.positions import PostgresPositionSink
from adapters.postgres.rights import (
    READING_AGREEMENT,
    READING_DEAD_LETTERS,
    READING_USAGE,
    ROLLING_USAGE,
    STORING_CALLS,
    STORING_CODINGS,
    STORING_DEAD_LETTERS,
)
from adapters.postgres.usage.failures import PostgresFailureAnswers
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.postgres.usage.roller import PostgresUsageRoller
from domain.delivery.delivery import Delivery
from domain.ports import EventPublisher
from domain.usage.freshness import STORING_SECONDS
from domain.usage.rolling import keep_rolled
from domain.usage.turns import (
    AgreementReaderInTurn,
    DeadLetterReaderInTurn,
    FailureAnswersInTurn,
    Turns,
    UsageAnswersInTurn,
)
from runtime.metrics.figures import ConsumerFigures, RollerFigures, WorkerFigures
from runtime.metrics.serving import serving_metrics
from runtime.process import collect_garbage_less_often, first, run_with, together
from runtime.settings import DEFAULT_API_PORT, Settings
from runtime.wiring.answering import aids, answering, routed_models
from runtime.wiring.parts import (
    database_settings,
    delivery_settings,
    kafka_connection,
    patient_engine,
    publisher,
)
from schemas.topics import READ_BESIDE_CALLS

_WINDOW = 4096
_ROLLING_SECONDS = 300.0
"""For one statement of the roller: what takes longer is tried with fewer days at a time."""


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
        routing = await stack.enter_async_context(
            routed_models(settings, events, figures.calls, figures.breaker, figures.routes)
        )
        catalogue = await stack.enter_async_context(KafkaFrameworkCatalogue(connection, events, tally=letters))
        helped = await stack.enter_async_context(aids(settings, connection))
        yield answering(routing, events, catalogue, delivery_settings(settings), helped, letters), catalogue


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
        async with aclosing(KafkaTopicIds(connection)) as ids:
            await first(run_stream_worker(worker, handler, stop, None, figures.status, ids), catalogue.failed())

    await run_with(parts(), work, stop)


async def run_consumer(settings: Settings, stop: asyncio.Event) -> None:
    """The consumer of LLM-call events, and the one of codings, corrections and dead letters, until `stop` is set; none
    without the other.

    Raises:
        UserError: Kafka cannot be reached at the start, or PostgreSQL cannot be used as it is set.
        BrokerUnavailableError: Kafka failed in a way that trying again does not mend.
    """
    from consumers.codings import coding_tables
    from consumers.dead_letters import dead_letter_tables
    from consumers.llm_calls import LLMCallConsumerSettings, consume_llm_calls
    from consumers.settings import TableConsumerSettings
    from consumers.tables import consume

    connection = kafka_connection(settings)
    kafka = {**connection.client_options(), "group_instance_id": settings.consumer_instance_id}
    calls = LLMCallConsumerSettings(kafka, settings.consumer_group, settings.drain_seconds)
    others = TableConsumerSettings(kafka, settings.codings_group, settings.drain_seconds)
    figures = ConsumerFigures()

    @asynccontextmanager
    async def parts() -> AsyncIterator[tuple[Engine, EventPublisher]]:
        further = {others.group_id: tuple(topic.name for topic in READ_BESIDE_CALLS)}
        rights = {**STORING_CALLS, **STORING_CODINGS, **STORING_DEAD_LETTERS}
        async with (
            serving_metrics(settings, figures, connection, calls.group_id, (calls.topic,), further),
            publisher(settings) as events,
            patient_engine(settings, rights, STORING_SECONDS) as engine,
        ):
            yield engine, events

    async def work(found: tuple[Engine, EventPublisher]) -> None:
        engine, events = found
        sink, positions = PostgresLLMCallSink(engine), PostgresPositionSink(engine)
        tables = {
            **coding_tables(PostgresCodingSink(engine), PostgresCorrectionSink(engine)),
            **dead_letter_tables(PostgresDeadLetterSink(engine)),
        }
        what = "codings, corrections and dead letters"
        async with aclosing(KafkaTopicIds(connection)) as ids:
            await together(
                consume_llm_calls(calls, sink, events, stop, figures.progress, ids, positions),
                consume(what, others, tables, events, stop, figures.codings, ids),
            )

    await run_with(parts(), work, stop)


async def run_roller(settings: Settings, stop: asyncio.Event) -> None:
    """What keeps the rollups of usage, until `stop` is set. It waits while the database is away, or another rolls.

    Raises:
        UserError: the metrics' address cannot be listened on, or the database cannot be used as it is set.
    """
    figures = RollerFigures()

    @asynccontextmanager
    async def parts() -> AsyncIterator[Engine]:
        async with (
            serving_metrics(settings, figures),
            patient_engine(settings, ROLLING_USAGE, _ROLLING_SECONDS) as engine,
        ):
            yield engine

    async def work(engine: Engine) -> None:
        roller = PostgresUsageRoller(engine)
        await keep_rolled(roller, stop, settings.roll_seconds, settings.drain_seconds, figures.rolled)

    await run_with(parts(), work, stop)


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
            rights = {**READING_USAGE, **READING_AGREEMENT, **READING_DEAD_LETTERS}
            async with patient_engine(settings, rights, settings.api_statement_seconds) as engine:
                yield listener, engine

    async def work(found: tuple[socket.socket, Engine]) -> None:
        listener, engine = found
        rates = RateLimits(settings.api_requests_per_minute, settings.api_failures_per_minute)
        turns, seconds = Turns(database_settings(settings).pool_size), settings.api_statement_seconds
        app = create_app(
            UsageAnswersInTurn(PostgresUsageAnswers(engine, seconds), turns),
            PostgresKeyStore(engine),
            partial(is_current, engine),
            rate_limits=rates,
            agreement_reader=AgreementReaderInTurn(PostgresAgreementReader(engine, seconds), turns),
            failure_answers=FailureAnswersInTurn(PostgresFailureAnswers(engine, seconds), turns),
            dead_letter_reader=DeadLetterReaderInTurn(PostgresDeadLetterReader(engine, seconds), turns),
        )
        await serve(app, listener, stop)

    await run_with(parts(), work, stop)
