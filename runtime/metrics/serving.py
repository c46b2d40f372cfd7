"""Whether metrics are served: only where METRICS_PORT asks for them, and only then is the library imported."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from adapters.kafka.connection import KafkaConnection
from runtime.metrics.figures import ConsumerFigures, WorkerFigures
from runtime.settings import Settings


@asynccontextmanager
async def serving_metrics(
    settings: Settings,
    figures: WorkerFigures | ConsumerFigures,
    connection: KafkaConnection,
    group_id: str,
    topics: Sequence[str],
    further: Mapping[str, Sequence[str]] | None = None,
) -> AsyncIterator[None]:
    """Serve this process's metrics, and the lag of its group on its topics, until the end of the block.

    `further` has the topics of other groups that it is in.

    Raises:
        UserError: METRICS_HOST and METRICS_PORT cannot be listened on.
    """
    if not settings.metrics_port:
        yield
        return
    from runtime.metrics.server import watched

    groups = {group_id: topics, **(further or {})}
    async with watched(figures, connection, groups, (settings.metrics_host, settings.metrics_port)):
        yield
