"""The application, made of its ports, and the server around it."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from api import docs, errors, health, usage
from api.health import Ready
from api.request_ids import RequestIDs
from domain.errors import UserError
from domain.keys import KeyFinder
from domain.usage import UsageReader

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 10
"""How long answers under way may take once the process is told to stop."""

MAX_CONNECTIONS = 500
"""One more is answered 503 at once, without a look at the request."""

MAX_HEAD_BYTES = 16 * 1024
"""For the request line and all headers together; a longer head is answered 400, and the connection closed."""

_DESCRIPTION = (
    "What was used, by whom, for what, at what cost. Windows are half-open, [from, to). `llm_calls` counts attempts by "
    "the moment they started; `invocations` counts operations by the moment they began, with all of their calls. Money "
    "is in US dollars, as decimal strings."
)


def create_app(usage_reader: UsageReader, keys: KeyFinder, ready: Ready, version: str = "0.1.0") -> FastAPI:
    """The read API over its ports; nothing connects here.

    Args:
        usage_reader: answers the questions.
        keys: finds API keys.
        ready: whether questions can be answered now.
        version: what the description says.
    """
    app = FastAPI(
        title="feedback-streams usage",
        version=version,
        description=_DESCRIPTION,
        # FastAPI's own pages load their scripts from the internet.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.usage, app.state.keys, app.state.ready = usage_reader, keys, ready
    app.add_middleware(RequestIDs)
    errors.install(app)
    for part in (usage, health, docs):
        app.include_router(part.router)
    return app


class _Server(uvicorn.Server):
    """Leaves signals to the process that runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(app: FastAPI, host: str, port: int, stop: asyncio.Event) -> None:
    """Answer requests until `stop` is set; then finish those under way and return.

    Args:
        app: from `create_app`.
        host, port: where to listen.
        stop: set by whoever runs the process, on SIGTERM say.

    Raises:
        UserError: the address cannot be listened on.
    """
    listener = _listen(host, port)
    config = uvicorn.Config(
        app,
        http="h11",  # uvicorn's other parser, httptools, takes headers of any length into memory
        ws="none",
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        limit_concurrency=MAX_CONNECTIONS,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = _Server(config)
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


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        raise UserError(
            f"The API cannot listen on {host}:{port} ({error.strerror or type(error).__name__}).",
            "Free that port, or choose another one in API_PORT.",
        ) from error
    logger.info("listening on %s:%d", host, listener.getsockname()[1])
    return listener
