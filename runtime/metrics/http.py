"""The HTTP server of the metrics: few connections at a time, and none for long."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 20
"""At a time; each has a thread. A few Prometheus servers and a person need no more."""

CONNECTION_SECONDS = 10.0
"""From the first byte to the last, however slowly they come; Prometheus gives up after as many."""

POLL_SECONDS = 0.2


class _Handler(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Scrapes are no news."""


class MetricsServer(ThreadingMixIn, WSGIServer):
    """Serves a registry's metrics from threads of its own; the library's own server bounds neither number nor time.

    Args:
        registry: what is served.
        host, port: where to listen; an address of either family, or a name.
        clock: seconds, from any moment on.

    Raises:
        OSError, UnicodeError: the address cannot be listened on.
    """

    daemon_threads = True
    request_queue_size = MAX_CONNECTIONS  # of those that are not looked at yet; the library's 5 make others wait

    def __init__(
        self, registry: CollectorRegistry, host: str, port: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        self.address_family = found[0]
        self._clock = clock
        self._until: dict[Any, float] = {}
        super().__init__((str(found[4][0]), port), _Handler)
        self.set_app(make_wsgi_app(registry))
        self._serving = threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,), daemon=True)
        self._serving.start()

    def end(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()
        self._serving.join(1)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - the library's signature
        """Whether there is room; one for whom there is none is closed at once, without a thread."""
        return len(self._until) < MAX_CONNECTIONS

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer from a thread."""
        self._until[request] = self._clock() + CONNECTION_SECONDS
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Several times a second: end what has lasted too long. Its thread then reads, or writes to, nobody."""
        for request, until in list(self._until.items()):
            if self._clock() > until:
                _hang_up(request)

    def shutdown_request(self, request: Any) -> None:
        """One connection's end."""
        super().shutdown_request(request)
        self._until.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the library's signature
        """A client that went away, or was sent away, is no fault, and the library would print a traceback."""
        logger.debug("a scrape of the metrics was not answered", exc_info=True)


def _hang_up(request: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has ended meanwhile
        request.shutdown(socket.SHUT_RDWR)
