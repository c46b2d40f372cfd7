"""What a case has in hand: a system on real servers, ways to break it, and a record of all that was done to it."""

import asyncio
import secrets
import signal
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from time import monotonic, time

import asyncpg

from domain.delivery.places import places
from tests.chaos.evidence import Input, Partition, Vitals
from tests.chaos.ground import Ground
from tests.chaos.ledger import Ledger
from tests.chaos.members import Member, a_port
from tests.chaos.record import Record, Stake
from tests.chaos.sightings import RESULTS
from tests.integration.system_support import eventually

_WARM_UP = 60
"""Records: each connection is open then, and each kind of work was done."""
_WARM_LATENCY = 0.2


@dataclass(kw_only=True)
class Stage(Record):
    """One case's stage; see `tests.chaos.setting`.

    Attributes:
        database: the URL of the case's own database.
        random: the only source of chance, so that a seed repeats a case.
        in_flight: inputs that one worker may work on at a time.
        key: the provider's key, which must be seen nowhere.
        recovery: seconds until work went on, by what was broken.
        outcome_may_change: see `Evidence`.
        foreign_calls: call ids that the case itself published.
        more_ledgers: of providers besides `ledger`.
        vitals: process id and vitals of members, as they were once warmed up.
        texts: what else people could read of the case, by name.
    """

    home: Path
    ground: Ground
    database: str
    ledger: Ledger
    random: Random
    stack: AsyncExitStack
    in_flight: int = 32
    key: str = field(default_factory=lambda: f"sk-{secrets.token_hex(12)}")
    more_ledgers: list[Ledger] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)
    recovery: dict[str, list[float]] = field(default_factory=dict)
    outcome_may_change: bool = False
    foreign_calls: set[str] = field(default_factory=set)
    vitals: dict[str, tuple[int, Vitals]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    _early: set[str] = field(default_factory=set)  # who was there before the first input
    _warm: int = 0  # outcomes of the warm-up

    # processes

    async def worker(self, name: str = "worker", *, joined: bool = True, **settings: object) -> Member:
        """Start a worker; settings beyond the usual ones by their variables' names, None to leave one out."""
        usual: dict[str, object] = {
            "KAFKA_BOOTSTRAP_SERVERS": self.ground.kafka.bootstrap_servers,
            "WORKER_GROUP": self.group,
            "WORKER_INSTANCE_ID": f"{self.group}-{name}",
            "MAX_IN_FLIGHT": self.in_flight,
            "LLM_MODEL": "openai/gpt-4o-mini",
            "LLM_API_BASE": self.ledger.base_url,
            "LLM_API_KEY": self.key,
            "FRAMEWORK_WAIT_SECONDS": 5,
            # Single cases make nothing but bad inputs; the one about halting sets its own.
            "DEAD_LETTER_SHARE": 1,
        }
        return await self._member(name, "worker", usual | settings, joined)

    async def judge(self, name: str = "judge", **settings: object) -> Member:
        """Start a judge, before the first input: every result is an input of its own from here on."""
        assert not self.inputs.sent, "it judges results that nobody has counted as its inputs"
        usual: dict[str, object] = {
            "KAFKA_BOOTSTRAP_SERVERS": self.ground.kafka.bootstrap_servers,
            "JUDGE_GROUP": f"{self.group}-judges",
            "JUDGE_INSTANCE_ID": f"{self.group}-{name}",
            "MAX_IN_FLIGHT": self.in_flight,
            "LLM_MODEL": "openai/gpt-4o-mini",
            "LLM_API_BASE": self.ledger.base_url,
            "LLM_API_KEY": self.key,
            "DEAD_LETTER_SHARE": 1,
        }
        self.sightings.told = self.inputs.judge
        self.more_groups.append(f"{self.group}-judges")
        return await self._member(name, "judge", usual | settings, joined=True)

    async def consumer(self, name: str = "consumer", *, joined: bool = True, **settings: object) -> Member:
        """Start a consumer of LLM calls."""
        usual: dict[str, object] = {
            "KAFKA_BOOTSTRAP_SERVERS": self.ground.kafka.bootstrap_servers,
            "CONSUMER_GROUP": f"{self.group}-calls",
            "CONSUMER_INSTANCE_ID": f"{self.group}-{name}",
            "DATABASE_URL": self.database,
        }
        return await self._member(name, "consumer", usual | settings, joined)

    async def _member(self, name: str, command: str, settings: dict[str, object], joined: bool) -> Member:
        port = a_port()
        given = {variable: value for variable, value in settings.items() if value is not None} | {"METRICS_PORT": port}
        slots = int(str(given.get("MAX_IN_FLIGHT", 0)))
        in_flight = places(slots) if slots else 0
        member = self.members[name] = Member(name, command, given, self.home, in_flight, self.stack, port)
        if not self.inputs.sent:
            self._early.add(name)
        await member.start(joined=joined)
        return member

    async def system(self, workers: int = 1, warm: int = _WARM_UP, **settings: object) -> list[Member]:
        """A consumer and so many workers, all at work, and warmed up with so many records; 0 for not at all.

        `settings` are the workers'.
        """
        names = ["worker"] if workers == 1 else [f"worker-{number}" for number in range(1, workers + 1)]
        started = await asyncio.gather(self.consumer(), *(self.worker(name, **settings) for name in names))
        if warm:
            await self.warm_up(warm)
        return list(started[1:])

    @property
    def workers(self) -> list[Member]:
        """Those that run."""
        return [member for member in self.members.values() if member.command == "worker" and member.alive]

    async def warm_up(self, count: int = _WARM_UP) -> None:
        """Answer so many records; what the members hold then is what they must come back to.

        The provider takes a moment for each, so that as many connections are opened to it as there ever may be: where
        it answers at once, a few are enough.
        """
        usual, self.ledger.latency = self.ledger.latency, max(self.ledger.latency, _WARM_LATENCY)
        await self.answered(await self.inputs.publish(count))
        self.ledger.latency = usual
        await self.weighed()
        self._warm = len(self.sightings.results) + len(self.sightings.letters)

    async def weighed(self, *members: Member) -> None:
        """Keep what these (all that run by default) hold now, as what they must come back to."""
        for member in members or [each for each in self.members.values() if each.alive]:
            await member.told_lag()
            self.vitals[member.name] = (member.pid, await member.vitals())

    @property
    def watched(self) -> list[str]:
        """Who has lived, in one process, since before the first input."""
        lives = {name: self.members[name] for name in sorted(self._early)}
        return [name for name, member in lives.items() if member.alive and len(member.lives) == 1]

    # waits

    async def answered(self, inputs: Iterable[Input] | None = None, seconds: float = 120) -> None:
        """Return once each of these inputs (all by default) has its outcomes."""
        events = None if inputs is None else {given.event_id for given in inputs}
        open_ = self.sightings.open
        try:
            await self.sightings.until(lambda: events.isdisjoint(open_) if events else not open_, seconds)
        except TimeoutError:
            raise AssertionError(f"{len(open_)} inputs have no outcome after {seconds:.0f} s") from None

    def uncommitted(self) -> int:
        """Inputs with all of their outcomes that were not committed when things were last looked at."""
        committed, open_ = self.samples[-1].committed, self.sightings.open
        done = (given.place for given in self.inputs.sent if given.event_id not in open_)
        return sum(place[2] >= committed.get(place[:2], 0) for place in done)

    @property
    def came(self) -> int:
        """How many results and dead letters have come beyond those of the warm-up, repeats among them."""
        return len(self.sightings.results) + len(self.sightings.letters) - self._warm

    async def outcomes(self, count: int, seconds: float = 120) -> None:
        """Return once so many `came`."""
        await self.sightings.until(lambda: self.came >= count, seconds)

    async def moving_again(
        self, what: str, partitions: Iterable[Partition], since: float, after: float = 0, seconds: float = 180
    ) -> float:
        """Seconds from `since` (time of day) until each of the partitions that has open inputs has a new outcome.

        By the broker's times of the outcomes; those up to `after` (by default `since`) do not count. Kept in
        `recovery`.
        """
        open_ = self.sightings.open
        wanted = set(partitions) & {given.place[:2] for given in self.inputs.sent if given.event_id in open_}
        assert wanted, "nothing is open there: whether work goes on cannot be seen"
        first: dict[Partition, float] = {}

        def all_moved() -> bool:
            for place, moment in self.sightings.latest.items():
                if moment > max(since, after) and place[:2] in wanted:
                    first[place[:2]] = min(moment, first.get(place[:2], moment))
            return wanted <= set(first)

        await self.sightings.until(all_moved, seconds)
        taken = round(max(first.values()) - since, 2)
        self.recovery.setdefault(what, []).append(taken)
        return taken

    async def settled(self, seconds: float = 120) -> None:
        """Return once everything has its outcome, every call its row or dead letter, and all of it is committed."""
        await self.answered(seconds=seconds)
        await self.sightings.caught_up()
        await eventually(self._all_committed, seconds)
        if any(member.command == "consumer" for member in self.members.values()):
            await eventually(partial(self.everything_committed, f"{self.group}-calls", {"llm.calls"}), seconds)
        await self.sightings.caught_up()

    async def _all_committed(self) -> bool:
        topics = {given.place[0] for given in self.inputs.sent} - {"llm.calls"}
        results = topics.intersection(RESULTS)
        if results and not await self.everything_committed(f"{self.group}-judges", results):
            return False
        return await self.everything_committed(self.group, topics - results)

    # faults

    async def kill(self, member: Member, since: float | None = None) -> tuple[float, float]:
        """SIGKILL; returns when it was sent and when the process had ended (times of day), for `moving_again`.

        `since` (monotonic): from when on Kafka took none of its events.
        """
        began, sent = since or monotonic(), time()
        member.send(signal.SIGKILL)
        await member.ended()
        gone = time()
        await self.ended("kill", f"SIGKILL of {member.name}", member, began)
        return sent, gone

    async def stop(self, member: Member, seconds: float = 90) -> int:
        """SIGTERM; returns the exit code. Who exits with 0 before its drain is over has finished and committed all."""
        began = monotonic()
        member.send(signal.SIGTERM)
        code = await member.ended(seconds)
        if code or monotonic() - began >= member.drain_seconds:
            await self.ended("stop", f"SIGTERM of {member.name}", member, began)
        return code

    async def fault(self, what: str, members: Iterable[Member] | None = None, *, stake: Stake | None = None) -> None:
        """Write down a fault that begins now, after which members (all workers by default) may repeat work.

        What they have at work now, unless `stake` tells of another moment.
        """
        now = self.at_stake(self.workers if members is None else members)
        await self.disturbed("fault", what, stake or now, monotonic())


async def fetch(database: str, query: str) -> list[asyncpg.Record]:
    """Rows of a query, on a connection of its own."""
    connection = await asyncpg.connect(database)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()
