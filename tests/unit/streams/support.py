"""The engine with a handler and two sources that a test moves by hand."""

import asyncio
from collections import deque
from contextlib import contextmanager
from types import SimpleNamespace

from streams.in_order import InOrder
from streams.lease import Lease
from streams.status import WorkerStatus


class Handler:
    """Answers when the test says so."""

    def __init__(self):
        self.running = {}
        self.open = asyncio.Event()
        self.open.set()
        self.held = False

    async def ready_for_more(self):
        await self.open.wait()

    @contextmanager
    def reading_held(self):
        assert not self.held
        self.held = True
        try:
            yield
        finally:
            self.held = False

    async def handle(self, message):
        end = self.running[message.offset] = asyncio.get_running_loop().create_future()
        return await end


class Source:
    """A topic's messages, put in by hand."""

    def __init__(self):
        self.messages = deque()
        self.some = asyncio.Event()

    def put(self, message):
        self.messages.append(message)
        self.some.set()

    async def filled(self):
        while not self.messages:
            self.some.clear()
            await self.some.wait()

    def take(self):
        return self.messages.popleft() if self.messages else None


class Rig:
    """An engine with two sources."""

    def __init__(self, window=10):
        self.handler, self.status, self.epoch = Handler(), WorkerStatus(), 1
        self.source, self.other = Source(), Source()
        self.engine = InOrder(self.handler, window, lambda: self.epoch, self.status, Lease(60))
        self.consuming = [asyncio.create_task(self.engine.consume(s)) for s in (self.other, self.source)]

    def put(self, *offsets, epoch=1, timestamp=1.0):
        for offset in offsets:
            self.source.put(a_message(offset, epoch, timestamp))

    async def finish(self, *offsets, reach=None):
        for offset in offsets:
            self.handler.running[offset].set_result(reach)
        await turns()

    @property
    def released(self):
        return self.engine.released.get(("t", 0))


def a_message(offset, epoch=1, timestamp=1.0, topic="t"):
    return SimpleNamespace(
        topic=topic, partition=0, offset=offset, timestamp=timestamp, key=None, value=b"", headers=[],
        generation_id=epoch,
    )  # fmt: skip


async def turns():
    for _ in range(30):
        await asyncio.sleep(0)
