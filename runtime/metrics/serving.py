"""Whether metrics are served: only where METRICS_PORT asks for them, and only then is the library imported."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from adapters.kafka.connection import KafkaConnection
from runtime.metrics.figures import Figures
from runtime.settings import Settings


@asynccontextmanager
async def serving_metrics(
    settings: Settings,
    figures: Figures,
    connection: KafkaConnection | None = None,
    group_id: str = "",
    topics: Sequence[str] = (),
    further: Mapping[str, Sequence[str]] | None = None,
) -> AsyncIterator[None]:
    """Serve this process's metrics, and the lag of its group on its topics, until the end of the block.

    `further` has the topics of other groups that it is in. A process without Kafka has no lag.

    Raises:
        UserError: METRICS_HOST and METRICS_PORT cannot be listened on.
    """
    if not settings.metrics_port:
        yield
        return
    from adapters.kafka.lag_watch import LagWatch
    from runtime.metrics.server import watched

    groups = {group_id: topics, **(further or {})}
    lags = [LagWatch(connection, group, its) for group, its in groups.items()] if connection is not None else []
    async with watched(figures, lags, (settings.metrics_host, settings.metrics_port)):
        yield
