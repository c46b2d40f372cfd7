"""Answers scrapes from a thread of its own: the event loop is neither held up by them nor needed for them."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from adapters.kafka.lag_watch import LagWatch
from domain.errors import UserError
from runtime.metrics.collector import registry_of
from runtime.metrics.figures import Figures
from runtime.metrics.http import MetricsServer
from runtime.metrics.pulse import Pulse

logger = logging.getLogger(__name__)


@asynccontextmanager
async def watched(
    figures: Figures,
    lags: Sequence[LagWatch],
    address: tuple[str, int],
) -> AsyncIterator[None]:
    """Serve the metrics of this process at /metrics until the end of the block.

    Args:
        figures: what the process does.
        lags: what watches the lag of its groups.
        address: host and port to listen on.

    Raises:
        UserError: the address cannot be listened on.
    """
    pulse = Pulse()
    async with _listening(registry_of(figures, lags, pulse), *address):
        looking = [asyncio.create_task(pulse.run()), *(asyncio.create_task(lag.run()) for lag in lags)]
        try:
            yield
        finally:
            for task in looking:
                task.cancel()
            await asyncio.gather(*looking, return_exceptions=True)


def check_free(host: str, port: int) -> None:
    """Before another process is to serve its metrics there.

    Raises:
        UserError: the address cannot be listened on now.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        raise _cannot_serve(host, port, error) from error


def _cannot_serve(host: str, port: int, error: OSError | UnicodeError) -> UserError:
    """`UnicodeError`: a host such as `a..b`."""
    cause = getattr(error, "strerror", None) or type(error).__name__
    return UserError(
        f"The metrics cannot be served on {host}:{port} ({cause}).",
        "Free that port, or choose another one in METRICS_PORT; METRICS_HOST must be an address of this machine.",
    )


@asynccontextmanager
async def _listening(registry: CollectorRegistry, host: str, port: int) -> AsyncIterator[None]:
    try:
        # In a thread: the library asks the name service about the host.
        server = await asyncio.to_thread(MetricsServer, registry, host, port)
    except (OSError, UnicodeError) as error:
        raise _cannot_serve(host, port, error) from error
    logger.info("metrics at http://%s:%d/metrics", host, server.server_port)
    try:
        yield
    finally:
        await asyncio.to_thread(server.end)
