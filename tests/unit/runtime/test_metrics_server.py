"""Where metrics are served: beside the loop, to a few at a time, and to none for long."""

import contextlib
import socket
import threading

import httpx
import pytest
from prometheus_client import CollectorRegistry

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.lag_watch import LagWatch
from domain.errors import UserError
from runtime.metrics.figures import WorkerFigures
from runtime.metrics.http import CONNECTION_SECONDS, MAX_CONNECTIONS, MetricsServer
from runtime.metrics.server import watched
from tests.fakes import FakeClock

NOWHERE = KafkaConnection("127.0.0.1:1")


async def test_it_is_served_beside_the_loop_and_gone_at_the_end():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=str(port)) as caught:
            async with watched(WorkerFigures(), [LagWatch(NOWHERE, "group", ["topic"])], ("127.0.0.1", port)):
                pass
        assert "METRICS_PORT" in caught.value.remedy
    async with watched(WorkerFigures(), [LagWatch(NOWHERE, "group", ["topic"])], ("127.0.0.1", port)):
        page = httpx.get(f"http://127.0.0.1:{port}/metrics")  # noqa: ASYNC210 - the loop shall stand still
        assert "feedback_inputs_in_flight 0.0" in page.text
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")  # noqa: ASYNC210


def test_of_many_connections_a_few_are_kept_and_none_for_long():
    """Half requests, of which each would hold a thread and a file."""
    clock, half = FakeClock(), []
    server = MetricsServer(CollectorRegistry(), "127.0.0.1", 0, clock)
    try:
        before = set(threading.enumerate())
        for _ in range(MAX_CONNECTIONS + 10):
            half.append(socket.create_connection(("127.0.0.1", server.server_port), 10))
            with contextlib.suppress(OSError):
                half[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        for one in half[MAX_CONNECTIONS:]:
            _until_closed(one)
        answering = set(threading.enumerate()) - before
        assert len(answering) == MAX_CONNECTIONS
        clock.advance(CONNECTION_SECONDS + 1)
        for one in half[:MAX_CONNECTIONS]:
            _until_closed(one)
        for thread in answering:
            thread.join(10)
        assert httpx.get(f"http://127.0.0.1:{server.server_port}/metrics").status_code == 200
    finally:
        server.end()
        for one in half:
            one.close()


def _until_closed(connection: socket.socket) -> None:
    """Return when the other side has closed; raises TimeoutError where it does not."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(4096):
            pass


async def test_a_host_that_is_none_is_told():
    with pytest.raises(UserError, match=r"cannot be served on a\.\.b:1"):
        async with watched(WorkerFigures(), [LagWatch(NOWHERE, "group", ["topic"])], ("a..b", 1)):
            pass
