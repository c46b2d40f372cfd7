"""The engine: many inputs at a time, offsets released strictly in order.

A message is pulled when there is room in the window and the handler is ready for one more; one task answers one input,
and an offset is released only when every earlier one of its partition is finished. Faust's own acknowledgements are
off: they follow the iteration of the stream, not the end of the work.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import NamedTuple, Protocol

from domain.delivery.faults import as_ours
from domain.delivery.messages import InboundMessage
from domain.delivery.ordered_acks import OrderedAcks
from domain.errors import BugError, FeedbackError
from streams.drain import settle
from streams.handler import Handler
from streams.lease import Lease
from streams.status import WorkerStatus

log = logging.getLogger(__name__)


class TopicPartition(NamedTuple):
    """A partition of a topic; equal to Faust's TP and aiokafka's TopicPartition."""

    topic: str
    partition: int


class Message(Protocol):
    """A message as Faust has it; `generation_id` holds our epoch (see consumer.py)."""

    topic: str
    partition: int
    offset: int
    timestamp: float | None  # seconds
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]] | None
    generation_id: int


class Source(Protocol):
    """Where the messages of one topic come from."""

    async def filled(self) -> None:
        """Return when there is a message to take."""
        ...

    def take(self) -> Message | None:
        """The next message; None where there is none any more."""
        ...


class InOrder:
    """The inputs of one worker, between Kafka and the handler.

    Args:
        handler: answers one input.
        window: how many inputs may be pulled and not yet released.
        epoch: the number of the current assignment; messages of an earlier one are dropped, Kafka delivers them again.
        status: live figures, written here.
        lease: whether what is pulled may still be taken for this worker's.

    Attributes:
        released: for each partition the offset behind its finished prefix: what may be committed.
        failed: resolves with the first error that must stop the worker.
    """

    def __init__(
        self, handler: Handler, window: int, epoch: Callable[[], int], status: WorkerStatus, lease: Lease
    ) -> None:
        self._handler = handler
        self._window = window
        self._released_some = asyncio.Event()
        self._epoch = epoch
        self._lease = lease
        self._acks: OrderedAcks[TopicPartition] = OrderedAcks()
        self._gate = asyncio.Lock()
        self._tasks: dict[asyncio.Task[None], float] = {}  # in the order of their start, with its time
        self._partitions: set[TopicPartition] = set()
        self._pulling = True
        self._status = status
        self.released: dict[TopicPartition, int] = {}
        self.failed: asyncio.Future[FeedbackError] = asyncio.get_running_loop().create_future()
        status.watch(lambda: len(self._tasks), self._oldest)

    async def consume(self, source: Source) -> None:
        """Pull and start inputs until the worker stops."""
        try:
            while self._pulling:
                await source.filled()
                async with self._gate:  # the agents of all topics, one at a time, as `ready_for_more` asks
                    with self._handler.reading_held():
                        await self._room()
                        await self._handler.ready_for_more()
                        await self._lease.held()
                    message = source.take()
                    if message is not None:
                        self._start(message)
        except Exception as error:  # noqa: BLE001 - Faust would restart the agent over it, again and again
            if self._pulling:  # Faust ends an agent that stops by an exception, too
                self._fail(error, "an agent")

    def stop_pulling(self) -> None:
        """Start no further input; those in flight go on."""
        self._pulling = False

    async def settle(self, seconds: float) -> None:
        """Let inputs in flight finish for up to `seconds`, then cancel them."""
        self._status.cancelled += await settle(self._tasks.keys(), seconds)

    def forget(self) -> None:
        """The partitions are gone: what was pulled from them and not released comes again, to whoever has them next."""
        for partition in self._partitions:
            self._acks.forget(partition)
        self._partitions.clear()
        self.released.clear()
        self._released_some.set()

    async def _room(self) -> None:
        """Return when fewer inputs than the window holds are pulled and not released."""
        while len(self._acks) >= self._window:
            self._released_some.clear()
            await self._released_some.wait()

    def _start(self, message: Message) -> None:
        partition, offset, epoch = (
            TopicPartition(message.topic, message.partition),
            message.offset,
            message.generation_id,
        )
        # After an assignment Faust seeks back to what was committed, past messages that may have been pulled since:
        # `track` refuses those.
        if not self._pulling or epoch != self._epoch() or not self._acks.track(epoch, partition, offset):
            return
        self._partitions.add(partition)
        task = asyncio.get_running_loop().create_task(self._answer(message, partition, offset, epoch))
        self._tasks[task] = monotonic()
        task.add_done_callback(partial(self._ended, _where(partition, offset)))

    async def _answer(self, message: Message, partition: TopicPartition, offset: int, epoch: int) -> None:
        try:
            reach = await self._handler.handle(InboundMessage.from_kafka(message, ticks_per_second=1))
        except Exception as error:  # noqa: BLE001 - the handler lets through only what must stop the worker
            self._fail(error, _where(partition, offset))
            return
        self._status.finished += 1
        freed = self._acks.done(epoch, partition, offset, reach)
        if freed:
            self.released[partition] = freed[-1] + 1
            self._released_some.set()

    def _ended(self, where: str, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled():
            if (error := task.exception()) is not None:
                self._fail(error, where)
        elif not task.cancelling():  # nobody asked for it, as `settle` does: its offset would hold back all behind it
            log.error("the work on %s was cancelled, and nobody had asked for it", where)
            self._fail(BugError(f"A fault in this program: the work on {where} was cancelled by nobody."), where)

    def _fail(self, error: BaseException, where: str) -> None:
        self._pulling = False
        if not self.failed.done():
            self.failed.set_result(as_ours(error, where))

    def _oldest(self) -> float | None:
        since = tuple(self._tasks.values())[:1]  # copied in one step: another thread may ask
        return monotonic() - since[0] if since else None


def _where(partition: TopicPartition, offset: int) -> str:
    return f"{partition.topic} partition {partition.partition} offset {offset}"
