"""The server around the application."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from api.connections import Connection
from api.limits import MAX_HEAD_BYTES
from domain.errors import UserError

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 10
"""How long answers under way may take once the process is told to stop."""


class _Server(uvicorn.Server):
    """Leaves signals to the process that runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(app: FastAPI, listener: socket.socket, stop: asyncio.Event) -> None:
    """Answer requests until `stop` is set; then finish those under way and return.

    Args:
        app: from `create_app`.
        listener: from `listen`; closed in the end.
        stop: set by whoever runs the process, on SIGTERM say.
    """
    config = uvicorn.Config(
        app,
        http=Connection,  # on h11: uvicorn's other parser, httptools, takes headers of any length into memory
        ws="none",
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = _Server(config)
    logger.info("listening on %s:%d", *listener.getsockname()[:2])
    with listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
        finally:
            stopping.cancel()
            serving.cancel()
            await asyncio.gather(serving, stopping, return_exceptions=True)


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections; they wait until `serve` looks at them.

    Raises:
        UserError: the address cannot be listened on.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with contextlib.ExitStack() as on_error:
            listener = on_error.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(2048)
            on_error.pop_all()
    except OSError as error:
        raise UserError(
            f"The API cannot listen on {host}:{port} ({error.strerror or type(error).__name__}).",
            "Free that port, or choose another one in API_PORT.",
        ) from error
    return listener
