"""A TCP proxy that breaks things between our processes and a server: cut off, swallowed, late, or answers lost.

It runs in the test's own event loop: `async with Proxy(host, port) as proxy`. What it is told is a plain call, at once
in force for the connections that live and for those to come.
"""

import asyncio
import random
import socket
from collections.abc import Callable
from enum import Enum, auto
from typing import Self

from runtime.embedded import ports
from tests.chaos.kafka_framing import KafkaFilter
from tests.chaos.postgres_framing import PostgresFilter
from tests.chaos.relay import Filter, Relay


class _Mode(Enum):
    PASS = auto()
    CUT = auto()
    BLACKHOLE = auto()


class Proxy:
    """Stands on 127.0.0.1 before one server. A server that is down shows as a connection that ends at once.

    Args:
        target_host, target_port: the server; `target_port` may be set anew, for connections to come.
        port: where to stand; 0 chooses one. It stays ours while connections are refused.
        rng: for the delays.

    Attributes:
        rng: for the delays; may be set anew.
        connections: accepted so far.
        delayed: chunks that reached a client late.
        swallowed: bytes that a black hole took.
        lost: answers that were dropped.
    """

    def __init__(self, target_host: str, target_port: int, port: int = 0, *, rng: random.Random | None = None) -> None:
        self.target_host = target_host
        self.target_port = target_port
        self.port = port or ports.choose(set())
        self.connections = self.delayed = self.swallowed = self.lost = 0
        self.rng = rng or random.Random()
        self._mode = _Mode.PASS
        self._delay = self._jitter = 0.0
        self._to_lose: int | None = 0
        self._losses = asyncio.Semaphore(0)
        self._changed = asyncio.Event()
        self._listener: socket.socket | None = None
        self._live: dict[asyncio.Task[None], Relay] = {}
        self._failure: BaseException | None = None

    @property
    def address(self) -> str:
        """127.0.0.1:port, for clients."""
        return f"{ports.HOST}:{self.port}"

    @property
    def open(self) -> int:
        """How many connections there are now."""
        return len(self._live)

    def pass_all(self) -> None:
        """End whatever was asked for. A connection that a black hole took bytes from is closed, as it has a gap."""
        self._mode = _Mode.PASS
        self._delay = self._jitter = 0.0
        self._to_lose = 0
        self._listen()
        self._abort(lambda connection: connection.broken)

    def cut(self) -> None:
        """Close all connections and refuse new ones, until `pass_all`."""
        self._mode = _Mode.CUT
        self._deafen()
        self._bind()  # not listening: whoever connects is refused, and nobody takes the port
        self._abort(lambda _: True)

    def blackhole(self) -> None:
        """Swallow what both sides send, and their goodbyes; accept and never answer. Until `pass_all`."""
        self._mode = _Mode.BLACKHOLE
        self._listen()

    def delay(self, seconds: float, jitter: float = 0.0) -> None:
        """What the server sends is `seconds` ± `jitter` late, in its order. Until `pass_all`."""
        self._delay, self._jitter = seconds, jitter

    async def lost_one(self) -> None:
        """Return once for each answer that was lost, also before this call."""
        await self._losses.acquire()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return once `holds()`, asked whenever a counter changed or a connection ended."""
        while not holds():
            await self._changed.wait()

    async def start(self) -> None:
        """Listen, unless it does. The port is taken from here to `stop`."""
        if self._listener is None:
            self._bind()
            if self._mode is not _Mode.CUT:
                self._listen()

    async def stop(self) -> None:
        """Close everything. Raises what went wrong in the proxy itself, if anything."""
        self._deafen()
        ending = list(self._live)
        self._abort(lambda _: True)
        await asyncio.gather(*ending, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # For connections and filters

    def new_filter(self) -> Filter:
        """A filter for one connection."""
        return Filter()

    @property
    def swallows(self) -> bool:
        """Whether it is a black hole now."""
        return self._mode is _Mode.BLACKHOLE

    @property
    def loses(self) -> bool:
        """Whether the next answer of the right kind is to be lost."""
        return self._to_lose is None or self._to_lose > 0

    def lose_one(self) -> None:
        """Count an answer as lost."""
        if self._to_lose is not None:
            self._to_lose -= 1
        self.lost += 1
        self._losses.release()
        self._notify()

    def count_swallowed(self, size: int) -> None:
        """Count bytes that the black hole took."""
        self.swallowed += size
        self._notify()

    def due(self, not_before: float) -> float:
        """When, on the loop's clock, a chunk that has arrived goes on; never before its predecessor."""
        now = asyncio.get_running_loop().time()
        if not self._delay:
            return max(not_before, now)
        self.delayed += 1
        self._notify()
        return max(not_before, now + self._delay + self.rng.uniform(-self._jitter, self._jitter))

    def _bind(self) -> None:
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setblocking(False)
        self._listener.bind((ports.HOST, self.port))

    def _listen(self) -> None:
        if self._listener is not None:
            self._listener.listen(128)
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _deafen(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            client, _ = self._listener.accept()
        except OSError:  # it left again
            return
        client.setblocking(False)
        self.connections += 1
        connection = Relay(self, client)
        task = asyncio.create_task(connection.run())
        self._live[task] = connection
        task.add_done_callback(self._ended)
        self._notify()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._live.pop(task).abort(ended=True)
        if not task.cancelled() and self._failure is None:
            self._failure = task.exception()
        self._notify()

    def _abort(self, which: Callable[[Relay], bool]) -> None:
        for task, connection in list(self._live.items()):
            if which(connection):
                connection.abort()
                task.cancel()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class KafkaProxy(Proxy):
    """Before a broker whose listener advertises this proxy's address (`proxied_kafka.py`); else clients go round it."""

    _topic: str | None = None

    def lose_produce_responses(self, times: int | None = 1, *, topic: str | None = None) -> None:
        """Drop the broker's answer to a produce request that it fulfilled, and close the connection: it is written.

        Args:
            times: how many answers; None for all until `pass_all`.
            topic: only of requests that write to this topic.
        """
        self._topic = topic
        self._to_lose = times

    def new_filter(self) -> Filter:
        """Finds the answers to produce requests."""
        return KafkaFilter(self._wanted)

    def _wanted(self, topics: frozenset[str]) -> bool:
        return self.loses and bool(topics) and (self._topic is None or self._topic in topics)


class PostgresProxy(Proxy):
    """Before a PostgreSQL server, for clients without TLS."""

    def lose_commit_reply(self, times: int | None = 1) -> None:
        """Drop the answer that tells of a commit, and close the connection: it is committed, the client cannot know.

        That is COMMIT's answer, or that of an INSERT, UPDATE, DELETE, MERGE or COPY outside a transaction.

        Args:
            times: how many answers; None for all until `pass_all`.
        """
        self._to_lose = times

    def new_filter(self) -> Filter:
        """Finds the answers that tell of a commit."""
        return PostgresFilter(lambda: self.loses)
