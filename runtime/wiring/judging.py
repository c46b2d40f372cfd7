"""What a judge is made of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from adapters.kafka.past_messages import KafkaPastMessages
from adapters.kafka.topic_ids import KafkaTopicIds
from adapters.llm.settings import LLMSettings, SettingNames
from domain.delivery.delivery import Delivery
from domain.judging.results import Results
from domain.judging.settings import JudgingSettings, JudgingTally
from runtime.metrics.figures import WorkerFigures
from runtime.metrics.serving import serving_metrics
from runtime.process import collect_garbage_less_often, run_with
from runtime.settings import Settings
from runtime.wiring.answering import anonymising, one_model
from runtime.wiring.parts import delivery_settings, kafka_connection, llm_settings, publisher
from runtime.wiring.pauses import watched_pauses


async def run_judge(settings: Settings, stop: asyncio.Event) -> None:
    """A judge of results, until `stop` is set and it has drained; or until `stop` is set while it starts.

    Raises:
        UserError: it cannot start as it is set.
        WorkerHaltedError: going on would do harm.
        BrokerUnavailableError: Kafka was away for too long.
    """
    from streams.settings import WorkerSettings
    from streams.worker import run_judge as run_stream_judge

    connection, figures = kafka_connection(settings), WorkerFigures(judging=JudgingTally())
    worker = WorkerSettings(
        bootstrap_servers=connection.bootstrap_servers,
        security=connection.security.client_options(),
        group_id=settings.judge_group,
        instance_id=settings.judge_instance_id,
        window=4 * settings.max_in_flight,
        drain_seconds=settings.drain_seconds,
    )

    @asynccontextmanager
    async def parts() -> AsyncIterator[Delivery]:
        async with (
            serving_metrics(settings, figures, connection, worker.group_id, worker.result_topics),
            _delivery(settings, figures) as found,
        ):
            yield found

    async def work(handler: Delivery) -> None:
        collect_garbage_less_often()
        async with aclosing(KafkaTopicIds(connection)) as ids:
            await run_stream_judge(worker, handler, stop, figures.status, ids)

    await run_with(parts(), work, stop)


def judge_settings(settings: Settings) -> LLMSettings:
    """The judge's model and how to reach it; the workers' where it has none of its own.

    Raises:
        UserError: values that do not go together.
    """
    workers = llm_settings(settings)
    if settings.judge_model is None:
        return workers
    key = settings.judge_api_key.get_secret_value() if settings.judge_api_key else None
    return replace(
        workers,
        model=settings.judge_model,
        api_key=key,
        api_base=settings.judge_api_base,
        input_cost_per_token=None,
        output_cost_per_token=None,
        names=SettingNames("JUDGE_MODEL", "JUDGE_API_KEY", "JUDGE_API_BASE"),
    )


@asynccontextmanager
async def _delivery(settings: Settings, figures: WorkerFigures) -> AsyncIterator[Delivery]:
    connection, patience = kafka_connection(settings), settings.kafka_delivery_timeout_seconds
    async with (
        publisher(settings) as events,
        one_model(settings, judge_settings(settings), events, figures.calls, figures.breaker) as routing,
        KafkaPastMessages(connection, patience) as past,
        anonymising(settings) as anonymiser,
        watched_pauses(settings) as pauses,
    ):
        inputs = Results(past, JudgingSettings(settings.judge_share), figures.judging, anonymiser, pauses)
        yield Delivery(inputs, routing, events, delivery_settings(settings), dead_letters=figures.dead_letters)
