"""One client's connection: a whole request in good time, an answer that is read, or its place goes to another.

uvicorn bounds the pauses between requests, but neither how long a request may take to arrive nor how long an answer may
lie unread, and its `limit_concurrency` counts connections that ask for nothing: a few hundred idle ones would end in
503 for everyone. Here they cost nobody an answer: where there are too many connections, one that is closing gives way,
or else the one that has waited longest without a whole request. A connection that closes counts until it is closed: its
answer may lie unread, and it holds a file as every other does.
"""

import asyncio
from typing import Any
from uuid import uuid4

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.errors import envelope

REQUEST_SECONDS = 10.0
"""From the connection, or from the answer before, until a whole request must be here."""

UNREAD_SECONDS = 30.0
"""How long an answer may wait for its reader to take more of it."""

LINGER_SECONDS = 1.0
"""How long a client that was refused may go on sending, unheard. Closed at once, a socket with unread bytes is reset,
and the reset takes away from the client what it was answered."""

MAX_CONNECTIONS = 500
"""Open at a time, about: well below the 1,024 files that a process may open on most systems."""

_CLIENT_IS_SENDING = (h11.IDLE, h11.SEND_BODY)


class Connection(H11Protocol):
    """uvicorn's connection with deadlines."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.waiting_since: float | None = None
        self.is_over = False
        self._refused = False
        self._patience: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A new client; the one that has waited longest may have to make room."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn's narrower parameter
        self._watch()
        # Those that are over are still among uvicorn's, until the loop's next turn.
        others = [other for other in self.connections if isinstance(other, Connection) and not other.is_over]
        if len(others) > MAX_CONNECTIONS:
            # We are one of those that wait, so there is one.
            min((other for other in others if other.can_give_way), key=_in_this_order).abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, whoever wanted it."""
        super().connection_lost(exc)
        self.is_over = True
        self._stop_watching()
        self._stop_the_last_clock()

    def data_received(self, data: bytes) -> None:
        """More of a request; of one that is refused already, nothing is heard."""
        if self._refused:
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Ready for the next request, which may be here already; or for the end."""
        super().on_response_complete()
        self._watch()

    def eof_received(self) -> None:
        """The client has said all; the transport closes when we return."""
        super().eof_received()
        self._close_soon()

    def shutdown(self) -> None:
        """The process ends."""
        super().shutdown()
        self._watch()

    @property
    def is_closing(self) -> bool:
        """Whether its end has begun."""
        return self._refused or self.transport.is_closing()

    @property
    def can_give_way(self) -> bool:
        """Whether no request of its is being answered."""
        return self.is_closing or self.waiting_since is not None

    @property
    def _answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete  # there is no cycle before the first request

    def abort(self) -> None:
        """Close at once, whatever is still unsent."""
        self.is_over = True
        self._stop_watching()
        self.transport.abort()

    def _close_soon(self) -> None:
        """Close once all is sent; and in any case when it has lain unread for too long."""
        self.transport.close()
        self._stop_watching()
        self._unread = self._unread or self.loop.call_later(UNREAD_SECONDS, self.abort)

    def _watch(self) -> None:
        """Start the clock where a request is to come, stop it where one is here; where uvicorn closed, see to it."""
        if self._refused:
            return
        if self.is_closing:
            self._close_soon()
        elif self.conn.their_state not in _CLIENT_IS_SENDING:
            self._stop_watching()
        elif self.waiting_since is None:
            self.waiting_since = self.loop.time()
            self._patience = self.loop.call_later(REQUEST_SECONDS, self._lose_patience)

    def _stop_watching(self) -> None:
        self.waiting_since = None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        if self.is_closing:
            return
        if self._answering:
            self.cycle.keep_alive = False  # answered before its body was here: the answer still goes out
        elif self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(408, "request_timeout", f"The request was not here within {REQUEST_SECONDS:.0f} seconds.")
        else:
            self._close_soon()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's signature
        """What cannot be read as HTTP, in our envelope."""
        self._refuse(400, "bad_request", "This cannot be read as a request of HTTP/1.1, or its head is too long.")

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer without the application, and close."""
        if self._answering:
            self.cycle.disconnected = True  # the answer under way has nobody left to go to
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            request_id = uuid4().hex
            body = envelope(request_id, status, code, message)
            headers = [*body.raw_headers, (b"x-request-id", request_id.encode()), (b"connection", b"close")]
            for event in (
                h11.Response(status_code=status, headers=headers),
                h11.Data(data=bytes(body.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self._linger()

    def _linger(self) -> None:
        """Say that all is said, and close a little later, or when the client closes."""
        self._refused = True
        self._stop_watching()
        if self.transport.is_closing() or not self.transport.can_write_eof():
            self._close_soon()
            return
        self.transport.write_eof()
        self._unread = self._unread or self.loop.call_later(UNREAD_SECONDS, self.abort)
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        super().pause_writing()
        self._unread = self._unread or self.loop.call_later(UNREAD_SECONDS, self.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if not self.is_closing:
            self._stop_the_last_clock()

    def _stop_the_last_clock(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def timeout_keep_alive_handler(self) -> None:
        """No further request came: the end, also for a client that has not read what it was answered."""
        super().timeout_keep_alive_handler()
        self._watch()


def _in_this_order(connection: Connection) -> tuple[bool, float]:
    """Who gives way first: whoever is closing, then whoever has waited longest."""
    return not connection.is_closing, connection.waiting_since or 0.0
