"""One connection through the proxy: bytes read on one side, passed through a filter, written to the other."""

import asyncio
import socket
from typing import NamedTuple, Protocol

_CHUNK = 65_536
_QUEUED = 1024  # chunks that may wait for their delayed time, per connection


class Passed(NamedTuple):
    """What of some bytes of the server may go on; `lost`: the next answer is dropped and the connection closed."""

    data: bytes
    lost: bool = False


class Filter:
    """Reads along one connection. This one lets everything pass."""

    def from_client(self, data: bytes) -> bytes:
        """What of `data` goes on to the server now."""
        return data

    def from_server(self, data: bytes) -> Passed:
        """What of `data` goes on to the client now."""
        return Passed(data)


class Gate(Protocol):
    """What a relay asks its proxy."""

    target_host: str
    target_port: int

    @property
    def swallows(self) -> bool: ...
    def new_filter(self) -> Filter: ...
    def lose_one(self) -> None: ...
    def count_swallowed(self, size: int) -> None: ...
    def due(self, not_before: float) -> float: ...


class Relay:
    """One client's connection, and ours to the server."""

    def __init__(self, gate: Gate, client: socket.socket) -> None:
        self.broken = False  # a black hole took something: what would follow has a gap
        self._gate = gate
        self._filter = gate.new_filter()
        self._socket = client
        self._writers: list[asyncio.StreamWriter] = []
        self._to_client: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED)

    def abort(self, *, ended: bool = False) -> None:
        """Close both sides at once; what is not sent yet is not sent. `ended`: `run` is over."""
        for writer in self._writers:
            writer.transport.abort()
        if ended and not self._writers:
            self._socket.close()

    async def run(self) -> None:
        """Carry bytes until either side breaks off or both have said goodbye."""
        try:
            from_client, to_client = self._opened(await asyncio.open_connection(sock=self._socket))
            if self._gate.swallows:
                await self._swallow(from_client)
            target = (self._gate.target_host, self._gate.target_port)
            from_server, to_server = self._opened(await asyncio.open_connection(*target))
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._client_to_server(from_client, to_server))
                pumps.create_task(self._read_server(from_server))
                pumps.create_task(self._write_client(to_client))
        except* OSError:
            pass  # a side that is gone; `abort` tells the other

    def _opened(
        self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._writers.append(streams[1])
        streams[1].transport.set_write_buffer_limits(high=0)  # so that drain() waits until all is sent
        return streams

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        """The next bytes; none at the end, which in a black hole may be a reset too."""
        try:
            return await reader.read(_CHUNK)
        except OSError:
            if self._gate.swallows:
                return b""
            raise

    async def _client_to_server(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while (data := await self._read(client)) and not self._gate.swallows:
            server.write(self._filter.from_client(data))
            await server.drain()
        if self._gate.swallows:
            await self._swallow(client, data)
        server.write_eof()

    async def _read_server(self, server: asyncio.StreamReader) -> None:
        due = 0.0
        while (data := await self._read(server)) and not self._gate.swallows:
            passed = self._filter.from_server(data)
            if passed.lost:
                self._gate.lose_one()
            if passed.data:
                due = self._gate.due(due)
                await self._to_client.put((due, passed.data))
            if passed.lost:
                break
        if self._gate.swallows:
            await self._swallow(server, data)
        await self._to_client.put((due, b""))

    async def _write_client(self, client: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self._to_client.get()
            await asyncio.sleep(due - loop.time())
            if self._gate.swallows:
                self.broken = True
                self._gate.count_swallowed(len(data))
            elif data:
                client.write(data)
                await client.drain()
            else:
                raise ConnectionAbortedError  # the server left, or an answer was lost

    async def _swallow(self, reader: asyncio.StreamReader, data: bytes = b"") -> None:
        """Take what comes until the connection is aborted. Even a goodbye does not reach the other side."""
        self.broken = True
        self._gate.count_swallowed(len(data))
        while data := await self._read(reader):
            self._gate.count_swallowed(len(data))
        await asyncio.get_running_loop().create_future()
