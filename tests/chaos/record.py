"""The record of a case: how things stood each second, and what was done to the system that may make it repeat work."""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupLoadInProgressError, KafkaError

from tests.chaos.evidence import Disturbance, Partition, Snapshot
from tests.chaos.inputs import Inputs
from tests.chaos.members import Member
from tests.chaos.sightings import Sightings


class Stake(NamedTuple):
    """What a disturbance may make be done again: so many inputs at work, and what is done but not committed there."""

    in_flight: int
    partitions: frozenset[Partition]


@dataclass(kw_only=True)
class Record:
    """See the module; `Stage` has the rest.

    Attributes:
        group: the workers' consumer group; it names the case's records, too.
        more_groups: groups that are watched as well as the workers'.
        disturbances, samples: what was done, and how things stood each second.
        sampling: whether samples are taken now; not while the broker is away.
        over: whether the case is over: a library may let no cancellation through.
        watched_seconds: for how long they were taken.
    """

    group: str
    sightings: Sightings
    inputs: Inputs
    admin: AIOKafkaAdminClient
    more_groups: list[str] = field(default_factory=list)
    disturbances: list[Disturbance] = field(default_factory=list)
    samples: list[Snapshot] = field(default_factory=list)
    sampling: bool = True
    over: bool = False
    watched_seconds: float = 0.0

    async def committed(self) -> dict[Partition, int]:
        """The offsets of the groups that are watched, where they have any; no two read the same topic."""
        told: dict[Partition, int] = {}
        for group in (self.group, *self.more_groups):
            offsets = await self.admin.list_consumer_group_offsets(group)
            told |= {(tp.topic, tp.partition): at.offset for tp, at in offsets.items() if at.offset >= 0}
        if not told and self.samples and self.samples[-1].committed:
            # A broker that has just started says that it still reads its groups where aiokafka does not look.
            raise GroupLoadInProgressError
        return told

    async def everything_committed(self, group: str, topics: set[str]) -> bool:
        """Whether a group has committed all that stands on these topics."""
        try:
            offsets = await self.admin.list_consumer_group_offsets(group)
        except KafkaError:  # the broker is not back yet, or has not made its coordinator
            return False
        committed = {(tp.topic, tp.partition): at.offset for tp, at in offsets.items()}
        ends = await self.sightings.ends_of(*topics)
        return all(max(committed.get(place, begin), begin) >= end for place, (begin, end) in ends.items())

    async def snapshot(self) -> Snapshot:
        """How things stand now; kept as a sample."""
        taken = Snapshot(monotonic(), await self.committed(), await self.sightings.ends())
        self.samples.append(taken)
        return taken

    async def sample(self) -> None:
        """Take a snapshot each second, until the case is over."""
        while not self.over:
            began, on = monotonic(), self.sampling
            if on:
                with contextlib.suppress(KafkaError, TimeoutError):
                    async with asyncio.timeout(5):
                        await self.snapshot()
            await asyncio.sleep(1)
            if on and self.sampling:
                self.watched_seconds += monotonic() - began

    def at_stake(self, members: Iterable[Member]) -> Stake:
        """What these have at work now: the open inputs of their partitions, of each at most as many as it works on."""
        partitions: set[Partition] = set()
        in_flight = 0
        for member in members:
            held = member.partitions()
            in_flight += self.inputs.open_on(held, member.in_flight)
            partitions |= held
        return Stake(in_flight, frozenset(partitions))

    async def ended(self, kind: str, what: str, member: Member, began: float) -> None:
        """Write down the end of a process: what came of it until then has been read, the rest was at work."""
        with contextlib.suppress(KafkaError, TimeoutError):  # where the broker is away, all that is open counts
            await asyncio.wait_for(self.sightings.caught_up(), 5)
        await self.disturbed(kind, what, self.at_stake([member]), began)

    async def disturbed(self, kind: str, what: str, stake: Stake, began: float) -> None:
        """Write down that this may be done again from here on."""
        try:
            then = await asyncio.wait_for(self.snapshot(), 10)
        except (KafkaError, TimeoutError):
            then = self.samples[-1]
        self.disturbances.append(Disturbance(kind, what, stake.in_flight, then, began, monotonic(), stake.partitions))
