"""Faust's Kafka consumer, with the parts replaced that lose data, hide failures or cost most of the time per message.

What is different, and why:
- It commits what the engine released. Faust's own bookkeeping drops what was acknowledged but not yet committed when a
  rebalance begins, and takes any gap for a compacted one.
- Every message carries the number of the assignment that it was fetched under (our epoch, in `generation_id`), taken
  where the fetch returns. Kafka's generation is not enough: a static member that joins again keeps it.
- Messages are handed over one after the other, without four tasks each to race the hand-over against a stop.
- While the buffers are full nothing is fetched. Faust switches single partitions off instead, and sleeps a second at a
  time when all are off; and a message that finds its buffer full costs it two tasks.
- Partitions take turns, a few messages each. aiokafka hands out all that it has fetched of one before it goes on with
  another: in a backlog of small messages that is a megabyte of them, and minutes in which the other partitions stand
  still.
- What was deleted before it was read is told. aiokafka goes to the beginning of what is left, and says nothing.
- A topic that is deleted and made anew is read from its beginning, and offsets of the old one are not committed to it.
- The event loop shows once in a while that it is alive. Without that, a worker whose buffer was full for longer than
  the poll interval (a provider that is down) left the group and never came back.
- What was fetched is not taken up once a session has passed without a heartbeat: others have the partitions then.
- Its thread is a daemon and logs where Faust prints.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service
from mode.threads import WorkerThread

from domain.delivery.deletion_watch import DeletionWatch
from domain.delivery.remade_topics import RemadeTopics

log = logging.getLogger(__name__)

Records = Mapping[TP, list[Any]]
SHOW_LIFE_SECONDS = 5.0
THREAD_SECONDS = 0.5
FETCH_WAIT_MS = 100
TURN_RECORDS = 32
"""How many messages one partition may put before those of another: at 20 answers a second, less than two seconds.

Hundreds at a time kept half the partitions of a restarted worker waiting for six seconds; smaller turns cost nothing
that `bench/streams_overhead` could see."""


class DaemonThread(WorkerThread):
    """A thread that does not keep the process alive, nor the event loop waiting."""

    def __init__(self, service: Any, **options: Any) -> None:
        super().__init__(service, **options)
        self.daemon = True

    def run(self) -> None:
        try:
            super().run()
        except Exception:  # the app was told before: it crashes
            log.debug("the consumer's thread ended", exc_info=True)

    def stop(self) -> None:
        # Faust blocks the event loop here until the thread is gone, which waits for a lost broker.
        self.is_stopped.wait(THREAD_SECONDS)


def _to_the_end(fetched: dict[TP, Any], served: Records) -> None:
    """Put partitions behind all others of which something was fetched, and is not handed out yet."""
    for place in served:
        if place in fetched:
            fetched[place] = fetched.pop(place)


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Where aiokafka lives: a thread of its own, so that heartbeats go on whatever the event loop does."""

    Worker = DaemonThread

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust's 1500 cannot be configured. While aiokafka waits for an idle topic it asks that broker for nothing
        # else: a busy topic beside an idle one came to a third of its rate.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        # What a producer's transaction took back was never said. Faust asks for this with its own transactions only.
        consumer._isolation_level = "read_committed"
        return consumer

    async def on_start(self) -> None:
        """Begin to send heartbeats; each that is answered renews the lease."""
        await super().on_start()
        app: Any = self.app
        app.lease.watch(self._ensure_consumer()._coordinator)

    async def _fetch_records(self, consumer: Any, *args: Any, **options: Any) -> Any:
        options["max_records"] = min(options["max_records"], TURN_RECORDS)
        records = await super()._fetch_records(consumer, *args, **options)
        # No await between aiokafka's return and these lines: no rebalance can begin between them.
        _to_the_end(consumer._fetcher._records, records)
        return self.app.rebalancing_count, records

    async def show_life(self) -> None:
        """Tell aiokafka that the event loop still runs, whether it fetches or not."""
        await self.call_thread(self._touch)

    async def _touch(self) -> None:
        with self._ensure_consumer()._fetcher._subscriptions.fetch_context():
            pass

    async def rejoin(self) -> None:
        """Have the group assign all partitions anew."""
        await self.call_thread(self._rejoin)

    async def _rejoin(self) -> None:
        self._ensure_consumer()._coordinator.request_rejoin()

    async def beginning(self, tp: TP) -> int:
        """A partition's first offset, asked of Kafka beside the thread's queue, where it would hold up fetches."""
        asking = asyncio.run_coroutine_threadsafe(self._beginning(tp), self.thread_loop)
        return await asyncio.wrap_future(asking)

    async def _beginning(self, tp: TP) -> int:
        first: int = (await self._ensure_consumer().beginning_offsets([tp]))[tp]
        return first

    def on_crash(self, msg: str, *fmt: Any, **_: Any) -> None:
        log.debug(msg.format(*fmt), exc_info=True)


class Consumer(driver.Consumer):
    """One member of the group; see the module's docstring."""

    app: Any
    _thread: ConsumerThread

    def __init__(self, *args: Any, **options: Any) -> None:
        self._committing = asyncio.Lock()
        self._safe: dict[Any, int] = {}
        super().__init__(*args, **options)
        self._deletions = DeletionWatch(self._thread.beginning, self._count_deleted)
        self._remade: RemadeTopics = self.app.remade_topics

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def commit(self, *_: Any, **__: Any) -> bool:
        """Commit what the engine has released since the last time, and what was lost right behind it."""
        async with self._committing:
            held = self.assignment()
            released = {TP(*tp): at for tp, at in self.app.engine.released.items() if tp in held}
            may = self._deletions.passing(released).items()
            offsets = {tp: at for tp, at in may if tp in held and self._safe.get(tp) != at}
            same = await self._remade.unchanged({tp.topic for tp in offsets})
            offsets = {tp: at for tp, at in offsets.items() if tp.topic in same}
            if not offsets or not await self._commit(offsets):
                return False
            self._safe.update(offsets)
            self.app.status.committed.update({f"{tp.topic}/{tp.partition}": at for tp, at in offsets.items()})
            return True

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """The app finishes and commits what it can, then nothing is known of these partitions any more."""
        await super().on_partitions_revoked(revoked)
        self._safe.clear()
        self._deletions.revoked()

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go to the group's offsets, once partitions were assigned and before anything of them is handed over."""
        committed = dict(await super().seek_to_committed())
        held = self.assignment()
        remade = await self._remade.begin({tp.topic for tp in held})
        begun = {tp: 0 for tp in held if tp.topic in remade}
        self._deletions.assigned(committed | dict.fromkeys(begun))
        if begun:
            await self._thread.seek_wait(begun)
            await self._commit(begun)  # over what may be there: of the old topic, from just before it went
        return committed | begun

    async def on_stop(self) -> None:
        """No commit: the worker made the last one, within a bound; Faust's would wait for a lost broker for ever."""
        await self._deletions.last_look()

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: `Backlog` bounds what is fetched."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing, as above."""

    async def verify_all_partitions_active(self) -> None:
        """Nothing: Faust's guesses rest on its own bookkeeping; `WorkerStatus` tells the truth."""

    @Service.task
    async def _show_life(self) -> None:
        while not self.should_stop:
            await self.sleep(SHOW_LIFE_SECONDS)
            await self._thread.show_life()
            await self._look_for_remade_topics()

    @Service.task
    async def _tell_deletions(self) -> None:
        await self._deletions.run()

    async def _look_for_remade_topics(self) -> None:
        """Also while nothing is committed: from an offset of the old topic, nothing of the new one may be answered."""
        if self.flow_active and await self._remade.look({tp.topic for tp in self.assignment()}):
            await self._thread.rejoin()

    def _count_deleted(self, messages: int) -> None:
        self.app.status.deleted_unread += messages

    async def _drain_messages(self, fetcher: Any) -> None:
        """The pump: from aiokafka to the agents' buffers, until it is stopped."""
        while not (self.should_stop or fetcher.should_stop):
            await self.app.backlog.low()
            fetched: Any = (await self._wait_next_records(timeout=1.0))[0]
            if not fetched:  # nothing was asked for
                await asyncio.sleep(0)
                continue
            epoch, records = fetched
            if records and not self.flow_active:
                await self.can_resume_flow.wait()
            await self._hand_over(epoch, records)

    async def _hand_over(self, epoch: int, records: Records) -> None:
        if epoch == self.app.rebalancing_count:
            self._deletions.arrived(records)
        for tp, record in in_turn(records):
            # Those of an earlier assignment may be dropped: the new one begins at what was committed.
            if epoch != self.app.rebalancing_count:
                return
            message = self._to_message(tp, record)
            message.generation_id = epoch
            await self.callback(message)
            self.app.backlog.arrived()


def in_turn(records: Records) -> Iterator[tuple[TP, Any]]:
    """The records of all partitions, one of each in turn, so that a full partition does not starve the others."""
    lines = {tp: iter(batch) for tp, batch in records.items()}
    while lines:
        for tp in list(lines):
            record = next(lines[tp], None)
            if record is None:
                del lines[tp]
            else:
                yield tp, record


class Transport(driver.Transport):
    """Faust's Kafka transport with our consumer."""

    Consumer = Consumer
