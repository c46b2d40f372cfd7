"""Sends from any program: a bounded queue, and a thread with a loop and a producer of its own behind it.

The program never waits for Kafka, and nothing that goes wrong here reaches it. What finds no room in the queue, or is
not acknowledged in time, is dropped, counted, and told of once in the log.
"""

import asyncio
import atexit
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import util as processes
from typing import Any, Generic, TypeVar

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.publisher import KafkaPublisher
from domain.errors import FeedbackError
from domain.ports import OutboundMessage

log = logging.getLogger(__name__)
T = TypeVar("T")

CAPACITY = 10_000
AT_ONCE = 500
DELIVERY_SECONDS = 120.0
EXIT_SECONDS = 5.0
RETRY_SECONDS = 5.0


class _Loop(asyncio.SelectorEventLoop):
    """A loop that needs no other threads: while an interpreter ends, it starts none, and there are names to look up."""

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        return socket.getaddrinfo(host, port, **options)


class BackgroundSender(Generic[T]):
    """Sends messages made of items, in the background. Used from any thread, and behind a fork, too.

    Args:
        connect: how to reach Kafka; asked for in the background thread, with the first item.
        prepare: makes an item's message, in that thread; None: nothing is to be sent.
        capacity: items that may wait; more are dropped.
        delivery_seconds: the time for one message, once Kafka has answered.
        exit_seconds: how long the end of the program waits for what is not sent yet.
    """

    def __init__(
        self,
        connect: Callable[[], KafkaConnection],
        prepare: Callable[[T], OutboundMessage | None],
        capacity: int = CAPACITY,
        delivery_seconds: float = DELIVERY_SECONDS,
        exit_seconds: float = EXIT_SECONDS,
    ) -> None:
        self._connect, self._prepare = connect, prepare
        self._capacity, self._delivery_seconds, self._exit_seconds = capacity, delivery_seconds, exit_seconds
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # the thread, and what waits for it, are the parent's
        atexit.register(self._leave)  # now, as the first item may come while the program ends
        processes.register_after_fork(self, BackgroundSender._leave_as_worker)

    def _leave_as_worker(self) -> None:
        """A process of multiprocessing ends without atexit's functions, and begins with no finalizers; a fork of it
        has none of its own."""
        processes.Finalize(None, self._leave, exitpriority=0)

    def _begin(self) -> None:
        self._exit_by: float | None = None
        self._changed = threading.Condition()
        self._waiting: deque[T] = deque()
        self._under_way = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Event | None = None
        self._told: set[str] = set()
        self.dropped = 0
        self.sent = 0
        self._leave_as_worker()

    def put(self, item: T) -> bool:
        """Take an item to be sent; False: there was no room for it. Returns at once, but while the program ends."""
        with self._changed:
            if len(self._waiting) + self._under_way >= self._capacity:
                self._drop("its queue is full")
                return False
            self._waiting.append(item)
            if self._thread is None or not self._thread.is_alive():
                self._start()
            self._wake()
        if self._exit_by is not None:
            self.flush(max(0.0, self._exit_by - time.monotonic()))
        return True

    def flush(self, seconds: float) -> bool:
        """Wait until all is sent or dropped, so long at most; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._under_way, seconds)

    def lose(self, why: str) -> None:
        """Count an item that could not even be made; `why` is said once, and holds nothing of it."""
        with self._changed:
            self._drop(why)

    def _drop(self, why: str) -> None:
        self.dropped += 1
        if why not in self._told:
            self._told.add(why)
            log.warning("A usage event is dropped: %s. Others that follow are counted, and not told of.", why)

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="feedback-usage", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # too many threads: the next item tries again
            self._complain(f"{error}.")
        else:
            self._thread = thread

    def _wake(self) -> None:
        if self._loop is not None and self._woken is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._woken.set)

    def _leave(self) -> None:
        """At the end of the program. What other exit handlers still put is waited for within the same time."""
        if self._exit_by is not None:
            return
        self._exit_by = time.monotonic() + self._exit_seconds
        self.flush(self._exit_seconds)
        left = len(self._waiting) + self._under_way
        if left or self.dropped:
            log.warning("Usage events: %d sent, %d dropped, %d not sent at the end.", self.sent, self.dropped, left)

    def _run(self) -> None:
        loop = _Loop()
        try:
            loop.run_until_complete(self._work(loop))
        finally:
            loop.close()

    async def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        woken = asyncio.Event()
        with self._changed:
            self._loop, self._woken = loop, woken
        while True:
            try:
                async with KafkaPublisher(self._connect(), self._delivery_seconds) as publisher:
                    await self._send_all(publisher, woken)
            except FeedbackError as error:
                self._complain(error.message)
            except Exception as error:  # noqa: BLE001 - the program's own work goes on, whatever ails ours
                self._complain(f"{type(error).__name__} in the sender")
            await asyncio.sleep(RETRY_SECONDS)

    def _complain(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            log.warning("Usage events wait: %s", what)

    async def _send_all(self, publisher: KafkaPublisher, woken: asyncio.Event) -> None:
        running: set[asyncio.Task[None]] = set()
        while True:
            woken.clear()
            while self._waiting and len(running) < AT_ONCE:
                with self._changed:
                    item = self._waiting.popleft()
                    self._under_way += 1
                task = asyncio.create_task(self._send(publisher, item))
                running.add(task)
                task.add_done_callback(running.discard)
                task.add_done_callback(lambda _: woken.set())
            await woken.wait()

    async def _send(self, publisher: KafkaPublisher, item: T) -> None:
        why = None
        try:
            message = self._prepare(item)
            if message is not None:
                await publisher.publish(message)
        except FeedbackError as error:
            why = error.message.rstrip(".")
        except Exception as error:  # noqa: BLE001 - its text may hold a caller's; see above
            why = f"{type(error).__name__} while it was made"
        with self._changed:
            self._under_way -= 1
            if why is not None:
                self._drop(why)
            elif message is not None:
                self.sent += 1
            self._changed.notify_all()
