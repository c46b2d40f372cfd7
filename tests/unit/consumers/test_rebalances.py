"""What the consumer commits around rebalances, on a group that a test directs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import RequestTimedOutError

from consumers.batches import Progress
from consumers.llm_calls import LLMCallConsumerSettings, consume_llm_calls, llm_call_tables
from consumers.settings import TableConsumerSettings
from consumers.tables import consume
from tests.fakes import FakePublisher, until
from tests.usage_support import MemorySink, llm_call

P0, P1 = TopicPartition("calls", 0), TopicPartition("calls", 1)


class Group:
    """aiokafka's consumer, as far as ours uses it, with what a coordinator and a broker would do as methods.

    Attributes:
        commits: the offsets of every commit that was tried, in order.
        refuse: while set, commits fail as they do where the broker is slow.
        offset: what the group committed of each partition, before.
        beginning: the first offset of each partition.
    """

    def __init__(self) -> None:
        self.mine: set[TopicPartition] = set()
        self.commits: list[dict[TopicPartition, int]] = []
        self.refuse = False
        self.offset: int | None = None
        self.beginning = 0
        self._records: asyncio.Queue[ConsumerRecord] = asyncio.Queue()

    def __call__(self, **_options):
        return self

    async def start(self):
        pass

    async def stop(self):
        pass

    def subscribe(self, _topics, listener):
        self.listener = listener

    def assignment(self):
        return frozenset(self.mine)

    def paused(self):
        return frozenset()

    def pause(self, *_partitions):
        pass

    def resume(self, *_partitions):
        pass

    async def getmany(self, timeout_ms, max_records):
        try:
            record = await asyncio.wait_for(self._records.get(), timeout_ms / 1000)
        except TimeoutError:
            return {}
        return {TopicPartition(record.topic, record.partition): [record]}

    def seek(self, _partition, _offset):
        pass

    async def commit(self, offsets):
        self.commits.append(offsets)
        if self.refuse:
            raise RequestTimedOutError

    async def committed(self, _partition):
        return self.offset

    async def beginning_offsets(self, partitions):
        return dict.fromkeys(partitions, self.beginning)

    def brings(self, partition: TopicPartition, offset: int) -> None:
        """A record comes."""
        self._records.put_nowait(
            ConsumerRecord(*partition, offset, 0, 0, None, llm_call().to_bytes(), None, 0, 0, headers=())
        )

    async def has_given(self) -> None:
        """All that came was fetched."""
        await until(self._records.empty)
        for _ in range(5):  # and is kept by the consumer
            await asyncio.sleep(0)

    async def takes(self) -> None:
        """A rebalance begins."""
        await self.listener.on_partitions_revoked(self.mine)
        self.mine = set()

    async def gives(self, *partitions: TopicPartition) -> None:
        """A rebalance ends."""
        self.mine = set(partitions)
        await self.listener.on_partitions_assigned(self.mine)


@pytest.fixture
def group(monkeypatch):
    group = Group()
    monkeypatch.setattr("consumers.tables.AIOKafkaConsumer", group)
    return group


@asynccontextmanager
async def consuming(group: Group, sink, **changes) -> AsyncIterator[Progress]:
    stop, progress = asyncio.Event(), Progress()
    given = {"drain_seconds": 5.0, "max_wait_seconds": 0.0} | changes
    settings = LLMCallConsumerSettings({}, group_id="g", topic="calls", **given)
    work = asyncio.create_task(consume_llm_calls(settings, sink, FakePublisher(), stop, progress))
    try:
        await until(lambda: hasattr(group, "listener"))
        await group.gives(P0, P1)
        yield progress
    finally:
        stop.set()
        await asyncio.wait_for(work, 10)


async def seconds_until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is watched are counters
            await asyncio.sleep(0.01)


async def test_an_offset_that_could_not_be_committed_goes_with_its_partition(group):
    """Another member has it meanwhile, and is further when it comes back."""
    group.refuse = True
    async with consuming(group, MemorySink()) as progress:
        group.brings(P0, 5)
        await seconds_until(lambda: group.commits)
        await group.takes()
        await group.gives(P1)
        group.refuse = False
        group.commits.clear()
        await group.takes()
        await group.gives(P0, P1)
        group.brings(P1, 8)
        await seconds_until(lambda: group.commits)
    assert progress.stored == 2
    assert group.commits == [{P1: 9}]


async def test_a_batch_that_outlasts_its_partitions_commits_nothing(group):
    class Slow(MemorySink):
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def write(self, batch):
            self.begun.set()
            await self.may_end.wait()
            return await super().write(batch)

    sink = Slow()
    async with consuming(group, sink, drain_seconds=0.05) as progress:
        group.brings(P0, 5)
        await sink.begun.wait()
        await group.takes()  # given up after drain_seconds
        await group.gives(P0, P1)
        sink.may_end.set()
        await seconds_until(lambda: progress.stored == 1)
        group.brings(P1, 8)
        await seconds_until(lambda: group.commits)
    assert group.commits == [{P1: 9}]


async def test_what_was_read_and_not_settled_is_left_to_whoever_has_the_partition_next(group):
    async with consuming(group, MemorySink(), max_wait_seconds=60.0, max_rows=2) as progress:
        group.brings(P0, 5)
        await until(group._records.empty)
        await group.takes()
        await group.gives(P1)
        group.brings(P1, 8)
        group.brings(P1, 9)
        await seconds_until(lambda: group.commits)
    assert progress.stored == 2
    assert group.commits == [{P1: 10}]


async def test_an_offset_that_could_not_be_committed_is_tried_again_while_it_is_ours(group, monkeypatch):
    monkeypatch.setattr("consumers.tables.POLL_SECONDS", 0.02)
    group.refuse = True
    async with consuming(group, MemorySink()):
        group.brings(P0, 5)
        await seconds_until(lambda: len(group.commits) == 2)
        group.refuse = False
        await seconds_until(lambda: len(group.commits) == 3)
    assert group.commits == [{P0: 6}] * 3


async def test_what_was_deleted_before_the_end_came_is_told_before_it_ends(group, caplog):
    async with consuming(group, MemorySink()) as progress:
        await seconds_until(lambda: not group._records.qsize())
        group.brings(P0, 5)
        await seconds_until(lambda: progress.stored == 1)
        group.beginning = 9
        group.brings(P0, 9)
        await seconds_until(lambda: progress.stored == 2)
    assert progress.deleted_unread == 3
    lost = "3 messages of calls partition 0 were deleted before they were read (offsets 6 to 8); they have no outcome"
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [lost]


class Ids:
    """Topics' ids that a test changes."""

    def __init__(self) -> None:
        self.now = {"calls": "1", "others": "1"}

    async def of(self, topics):
        return {topic: self.now[topic] for topic in topics}


async def test_of_several_topics_only_the_one_that_was_made_anew_is_read_from_its_beginning(group):
    """What was read of the other one is not let go, as nobody would read it again, and its offsets are committed."""
    other, ids, sink = TopicPartition("others", 0), Ids(), MemorySink()
    stop, progress = asyncio.Event(), Progress()
    tables = {**llm_call_tables(sink, "calls"), **llm_call_tables(sink, "others")}
    settings = TableConsumerSettings({}, "g", 5.0, max_rows=3, max_wait_seconds=60.0)
    work = asyncio.create_task(consume("rows", settings, tables, FakePublisher(), stop, progress, ids))
    await until(lambda: hasattr(group, "listener"))
    await group.gives(P0, other)
    group.brings(P0, 70)
    group.brings(other, 4)
    await group.has_given()
    ids.now["calls"] = "2"
    await group.listener.on_partitions_assigned(group.mine)
    group.brings(P0, 0)
    group.brings(P0, 1)
    await seconds_until(lambda: len(group.commits) == 2)
    ids.now["others"] = "2"  # noticed before anything of it is committed
    for offset in (5, 6):
        group.brings(other, offset)
    group.brings(P0, 2)
    await seconds_until(lambda: len(group.commits) == 3)
    stop.set()
    await asyncio.wait_for(work, 10)
    assert group.commits == [{P0: 0}, {P0: 2, other: 5}, {P0: 3}]
    assert progress.stored == 6


async def test_what_comes_of_a_new_topic_while_its_beginning_is_being_committed_is_stored(group):
    """It is not read again."""
    ids, sink, stop, progress = Ids(), MemorySink(), asyncio.Event(), Progress()
    commit = group.commit

    async def slow(offsets):
        if offsets == {P0: 0}:
            group.brings(P0, 0)
            await group.has_given()
        await commit(offsets)

    group.commit = slow
    settings = TableConsumerSettings({}, "g", 5.0, max_rows=2, max_wait_seconds=60.0)
    tables = llm_call_tables(sink, "calls")
    work = asyncio.create_task(consume("rows", settings, tables, FakePublisher(), stop, progress, ids))
    await until(lambda: hasattr(group, "listener"))
    await group.gives(P0)
    ids.now["calls"] = "2"
    await group.listener.on_partitions_assigned(group.mine)
    group.brings(P0, 1)
    await seconds_until(lambda: progress.stored == 2)
    stop.set()
    await asyncio.wait_for(work, 10)
    assert group.commits == [{P0: 0}, {P0: 2}]
