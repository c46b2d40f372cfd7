"""PostgreSQL's messages, as far as it takes to find the answer that tells a client of its commit. Without TLS.

Source: PostgreSQL's documentation, "Frontend/Backend Protocol". The server's side says all: asyncpg, and SQLAlchemy
through it, send `COMMIT` and COPY as simple queries, an INSERT with arguments outside a transaction as Parse, Bind and
Execute.
"""

import struct
from collections.abc import Callable

from tests.chaos.relay import Filter, Passed

_STARTUP = struct.Struct(">ii")  # length, code
_ASKS_FOR_ENCRYPTION = (80877103, 80877104)  # SSLRequest, GSSENCRequest: answered by one bare byte
_LENGTH = struct.Struct(">i")
_COMPLETE, _ERROR, _READY = b"C", b"E", b"Z"
_WRITES = {"INSERT", "UPDATE", "DELETE", "MERGE", "COPY"}
_TRANSACTION_ENDS = {"BEGIN", "START", "ROLLBACK", "PREPARE"}


class PostgresFilter(Filter):
    """Loses an answer that tells of a commit: of COMMIT's own, or of a write outside a transaction; where `wanted()`.

    While `wanted()`, an answer's CommandComplete waits for the ReadyForQuery behind it, which tells a commit from a
    write within a transaction. A write inside a SELECT (WITH ... AS (INSERT ...)) and DDL outside a transaction are
    not noticed; an encrypted connection passes as it is.
    """

    def __init__(self, wanted: Callable[[], bool]) -> None:
        self._wanted = wanted
        self._started = self._encrypted = False
        self._client_waiting = bytearray()
        self._bare_bytes = 0
        self._waiting = bytearray()
        self._held: list[bytes] = []
        self._tags: set[str] = set()
        self._idle = True  # no transaction was open before this exchange

    def from_client(self, data: bytes) -> bytes:
        """All of it, at once; a look at the first messages tells whether encryption was asked for."""
        if not self._started:
            self._client_waiting += data
            self._read_startup()
        return data

    def from_server(self, data: bytes) -> Passed:
        """Whole messages, up to what is lost or held back."""
        if self._encrypted:
            return Passed(data)
        self._waiting += data
        parts = [self._answer_to_encryption()]
        while message := self._next_message():
            if self._held or (message[:1] == _COMPLETE and self._wanted()):
                self._held.append(message)
            else:
                parts.append(message)
            if self._tells_of_commit(message) and self._held and self._wanted():
                return Passed(b"".join(parts), lost=True)
            if message[:1] == _READY:
                parts += self._held
                self._held = []
        return Passed(b"".join(parts))

    def _read_startup(self) -> None:
        while len(self._client_waiting) >= _STARTUP.size and not self._started:
            _, code = _STARTUP.unpack_from(self._client_waiting)
            if code in _ASKS_FOR_ENCRYPTION:
                self._bare_bytes += 1
                del self._client_waiting[: _STARTUP.size]
            else:
                self._started = True
                self._client_waiting.clear()

    def _answer_to_encryption(self) -> bytes:
        """The one byte that answers a request for encryption, if it comes first; where it says yes, all the rest."""
        if not self._bare_bytes or not self._waiting:
            return b""
        self._bare_bytes -= 1
        answer = bytes(self._waiting[:1])
        if answer == _ERROR:  # no bare byte but a whole message
            return b""
        del self._waiting[:1]
        if answer != b"N":
            self._encrypted = True
            answer += bytes(self._waiting)
            self._waiting.clear()
        return answer

    def _next_message(self) -> bytes:
        """The next whole message, with its kind in front; empty if there is none yet."""
        if len(self._waiting) < 1 + _LENGTH.size:
            return b""
        end = 1 + _LENGTH.unpack_from(self._waiting, 1)[0]
        if len(self._waiting) < end:
            return b""
        message = bytes(self._waiting[:end])
        del self._waiting[:end]
        return message

    def _tells_of_commit(self, message: bytes) -> bool:
        """Whether this message ends an exchange that committed something."""
        kind, content = message[:1], message[1 + _LENGTH.size :]
        if kind == _COMPLETE:
            self._tags.add(content.split(b"\0")[0].split(b" ")[0].decode())
        elif kind == _ERROR:
            self._tags.add("ROLLBACK")  # of what stood in the same exchange
        if kind != _READY:
            return False
        tags, was_idle, is_idle = self._tags, self._idle, content == b"I"
        self._tags, self._idle = set(), is_idle
        alone = was_idle and bool(tags & _WRITES) and not tags & _TRANSACTION_ENDS
        return is_idle and ("COMMIT" in tags or alone)
