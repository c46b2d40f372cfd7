"""The engine: many inputs at a time, offsets released strictly in order.

A permit of the window is acquired before a message is pulled, one task answers one input, and an offset is released
only when every earlier one of its partition is finished. Faust's own acknowledgements are off: they follow the
iteration of the stream, not the end of the work.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple, Protocol

from domain.delivery.messages import InboundMessage
from domain.delivery.ordered_acks import OrderedAcks
from streams.drain import settle
from streams.handler import Handler
from streams.status import WorkerStatus

log = logging.getLogger(__name__)


class Place(NamedTuple):
    """A partition of a topic; equal to Faust's TP and aiokafka's TopicPartition."""

    topic: str
    partition: int


class Message(Protocol):
    """A message as Faust has it; `generation_id` holds our epoch (see consumer.py)."""

    topic: str
    partition: int
    offset: int
    timestamp: float | None
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]] | None
    generation_id: int


class InOrder:
    """The inputs of one worker, between Kafka and the handler.

    Args:
        handler: answers one input.
        window: how many inputs may be pulled and not yet released.
        epoch: the number of the current assignment; messages of an earlier one are dropped, Kafka delivers them again.
        status: live figures, written here.

    Attributes:
        released: for each partition the offset behind its finished prefix: what may be committed.
        failed: resolves with the first error that must stop the worker.
    """

    def __init__(self, handler: Handler, window: int, epoch: Callable[[], int], status: WorkerStatus) -> None:
        self._handler = handler
        self._permits = asyncio.Semaphore(window)
        self._epoch = epoch
        self._acks: OrderedAcks[Place] = OrderedAcks()
        self._gate = asyncio.Lock()
        self._tasks: dict[asyncio.Task[None], float] = {}  # in the order of their start, with its time
        self._places: set[Place] = set()
        self._pulling = True
        self._status = status
        self.released: dict[Place, int] = {}
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        status.watch(lambda: len(self._tasks), self._oldest)

    async def consume(self, pull: Callable[[], Awaitable[Message]]) -> None:
        """Pull and start inputs until the worker stops."""
        try:
            while self._pulling:
                await self._permits.acquire()
                message = await pull()
                async with self._gate:  # the agents of all topics, one at a time, as `ready_for_more` asks
                    await self._handler.ready_for_more()
                    if not self._start(message):
                        self._permits.release()
        except Exception as error:  # noqa: BLE001 - Faust would restart the agent over it, again and again
            self._fail(error)

    def stop_pulling(self) -> None:
        """Start no further input; those in flight go on."""
        self._pulling = False

    async def settle(self, seconds: float) -> None:
        """Let inputs in flight finish for up to `seconds`, then cancel them."""
        self._status.cancelled += await settle(self._tasks.keys(), seconds)

    def forget(self) -> None:
        """The partitions are gone: what was pulled from them and not released comes again, to whoever has them next."""
        for _ in range(len(self._acks)):
            self._permits.release()
        for place in self._places:
            self._acks.forget(place)
        self._places.clear()
        self.released.clear()

    def _start(self, message: Message) -> bool:
        place, offset, epoch = Place(message.topic, message.partition), message.offset, message.generation_id
        # After an assignment Faust seeks back to what was committed, past messages that may have been pulled since:
        # `track` refuses those.
        if not self._pulling or epoch != self._epoch() or not self._acks.track(epoch, place, offset):
            return False
        self._places.add(place)
        task = asyncio.get_running_loop().create_task(self._answer(message, place, offset, epoch))
        self._tasks[task] = monotonic()
        task.add_done_callback(self._ended)
        return True

    async def _answer(self, message: Message, place: Place, offset: int, epoch: int) -> None:
        try:
            await self._handler.handle(inbound(message))
        except Exception as error:  # noqa: BLE001 - the handler lets through only what must stop the worker
            self._fail(error)
            return
        self._status.finished += 1
        freed = self._acks.done(epoch, place, offset)
        if freed:
            self.released[place] = freed[-1] + 1
            for _ in freed:
                self._permits.release()

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._pulling = False
        if not self.failed.done():
            self.failed.set_result(error)

    def _oldest(self) -> float | None:
        since = next(iter(self._tasks.values()), None)
        return None if since is None else monotonic() - since


def inbound(message: Message) -> InboundMessage:
    """Faust's message as the domain knows it."""
    timestamp = message.timestamp
    return InboundMessage(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp=None if timestamp is None or timestamp < 0 else datetime.fromtimestamp(timestamp, UTC),
        key=message.key,
        value=message.value,
        headers=tuple(message.headers or ()),
    )
