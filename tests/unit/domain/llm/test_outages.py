"""Whole workers on a simulated clock: who pays for an outage (nobody), and for a poisoned record (it alone)."""

import asyncio
import heapq
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import (
    DeadlineExceededError,
    FeedbackError,
    LLMTimeoutError,
    ProviderMisconfiguredError,
    ProviderRefusedError,
    ProviderUnavailableError,
    ProviderUnusableError,
    RateLimitedError,
)
from domain.llm.breaker import CircuitBreaker
from domain.llm.conversation import Conversation
from domain.llm.countdown import Countdown
from domain.llm.retry import RetryPolicy
from tests.builders import a_prompt, an_invocation
from tests.fakes import ScriptedModel

DOWN = ProviderUnavailableError("down", http_status=503)
LATE = LLMTimeoutError("late")
KEY = ProviderMisconfiguredError("The key is refused.", http_status=401)
FORBIDDEN = ProviderMisconfiguredError("Forbidden.", http_status=403)
TURNS = 8


class SimulatedTime:
    """Time that passes when nobody has anything left to do now."""

    def __init__(self):
        self.seconds = 0.0
        self._due = []
        self._numbers = itertools.count()

    def __call__(self):
        return self.seconds

    def call_later(self, seconds, callback):
        handle = asyncio.Handle(callback, (), asyncio.get_running_loop())
        heapq.heappush(self._due, (self.seconds + max(0.0, seconds), next(self._numbers), handle))
        return handle

    async def sleep(self, seconds):
        woken = asyncio.get_running_loop().create_future()
        self.call_later(seconds, lambda: woken.done() or woken.set_result(None))
        await woken

    async def pass_until(self, done, limit):
        """Let time pass until it is done; returns whether it is before the limit."""
        while True:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if done():
                return True
            if not self._due or self._due[0][0] > limit:
                return False
            self.seconds = max(self.seconds, self._due[0][0])
            while self._due and self._due[0][0] <= self.seconds:
                handle = heapq.heappop(self._due)[2]
                if not handle.cancelled():
                    handle._run()


class World:
    """A worker that keeps `slots` inputs at work. `fate(record, now)` says how an attempt ends: None = answered.

    A fate may also be a pair: the seconds that the attempt takes, and how it ends; usually it takes about one.
    """

    def __init__(self, fate, records, slots=64, deadline=120.0, seed=1, every=0.0):
        self.fate, self.records, self.slots, self.deadline, self.every = fate, records, slots, deadline, every
        self.time, self.chance = SimulatedTime(), random.Random(seed)
        self.breaker = CircuitBreaker(clock=self.time, call_later=self.time.call_later)
        self.model = ScriptedModel(lambda prompt, attempt: self._ask(int(attempt.invocation.record_id)))
        self.answered, self.dead, self.halted, self.openings = [], {}, None, 0
        self.breaker.watch(self._count_openings)
        self._was_open = False

    def _count_openings(self):
        self.openings += self.breaker.is_open and not self._was_open
        self._was_open = self.breaker.is_open

    async def _ask(self, record):
        fate = self.fate(record, self.time())
        seconds, end = fate if isinstance(fate, tuple) else (self.chance.uniform(0.5, 1.5), fate)
        await self.time.sleep(seconds)
        if end is not None:
            raise type(end)(end.message, http_status=end.http_status, retry_after=end.retry_after)
        return "fine"

    async def _one(self, record):
        conversation = Conversation(
            self.model,
            an_invocation(record_id=str(record)),
            self.breaker,
            Countdown(self.deadline, self.time),
            RetryPolicy(),
            random=self.chance.random,
            sleep=self.time.sleep,
        )
        try:
            await conversation.run(a_prompt(), str.upper)
            self.answered.append(record)
        except ProviderUnusableError as error:
            self.halted = error
        except FeedbackError as error:
            self.dead[record] = (type(error), self.time())

    async def _pull(self, tasks):
        for record in range(self.records):
            if self.every:
                await self.time.sleep(self.every)
            while len(tasks) >= self.slots or not self.breaker.may_pull(len(tasks)):
                await self.time.sleep(5.0 if self.breaker.is_open else 0.25)
            task = asyncio.create_task(self._one(record))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def run(self, limit=100_000.0):
        """Everything, or until the worker halts; returns whether it came to an end."""
        tasks = set()
        puller = asyncio.create_task(self._pull(tasks))
        ended = await self.time.pass_until(lambda: self.halted or (puller.done() and not tasks), limit)
        for task in (puller, *tasks):
            task.cancel()
        await asyncio.gather(puller, *tasks, return_exceptions=True)
        return bool(ended)


def spell_then_outage(chance, outage, spell=(5, 45), until=500, share=0.7):
    """70 % failures for a while, then an outage longer than any deadline, then all is well."""

    def fate(record, now):
        if spell[0] <= now < spell[1]:
            return DOWN if chance.random() < share else None
        return outage if spell[1] <= now < until else None

    return fate


@pytest.mark.parametrize("slots", [2, 8, 64, 256])
@pytest.mark.parametrize("outage", [DOWN, (45.0, LATE), RateLimitedError("slow", retry_after=20, http_status=429)])
async def test_an_outage_after_a_spell_of_failures_costs_no_input_anything(outage, slots):
    for seed in range(1 if slots > 64 else 3):
        world = World(spell_then_outage(random.Random(seed), outage), records=slots * 25, slots=slots, seed=seed)
        assert await world.run()
        assert world.dead == {}
        assert len(world.answered) == slots * 25
        assert world.time() > 500


@given(st.integers(0, 10_000), st.integers(2, 24), st.floats(0.0, 0.8), st.floats(5, 50))
@settings(max_examples=15, deadline=None)
async def test_nor_do_other_spells_and_other_numbers_of_slots(seed, slots, share, seconds):
    fate = spell_then_outage(random.Random(seed), DOWN, (5, 5 + seconds), 600, share)
    world = World(fate, records=slots * 60, slots=slots, seed=seed, deadline=200.0)
    assert await world.run()
    assert world.dead == {}


@pytest.mark.parametrize("slots", [2, 8, 64, 256])
async def test_a_key_refused_after_a_spell_of_failures_halts_and_costs_no_input_anything(slots):
    world = World(spell_then_outage(random.Random(3), KEY), records=slots * 100, slots=slots)
    assert await world.run()
    assert isinstance(world.halted, ProviderUnusableError)
    assert world.dead == {}
    assert world.time() < 200


@pytest.mark.parametrize("poison", [DOWN, (30.0, LATE), RateLimitedError("slow", retry_after=7, http_status=429)])
@pytest.mark.parametrize("number", [1, 10])
async def test_poisoned_records_among_healthy_ones_run_out_of_their_own_time(number, poison):
    poisoned = set(range(5, 5 + number))
    world = World(lambda record, now: poison if record in poisoned else None, records=256 * 40, slots=256, deadline=25)
    assert await world.run(limit=2000)
    assert set(world.dead) == poisoned
    assert {kind for kind, _ in world.dead.values()} == {DeadlineExceededError}
    assert all(25 <= moment < 60 for _, moment in world.dead.values())
    assert world.openings == 0


async def test_time_in_an_outage_is_not_a_poisoned_records_own_either():
    def fate(record, now):
        return DOWN if record == 5 or 30 <= now < 1000 else None

    world = World(fate, records=3000, slots=32, deadline=60)
    assert await world.run(limit=5000)
    assert list(world.dead) == [5]
    assert 1020 < world.dead[5][1] < 1100


async def test_poisoned_records_that_are_left_alone_at_the_end_run_out_of_time():
    world = World(lambda record, now: DOWN if record in {0, 50, 100} else None, records=300, deadline=60)
    assert await world.run(limit=2000)
    assert set(world.dead) == {0, 50, 100}


async def test_poisoned_records_with_little_traffic_do_not_stop_it_for_good():
    world = World(lambda record, now: DOWN if record < 3 else None, records=60, slots=64, deadline=60, every=30.0)
    assert await world.run(limit=50_000)
    assert set(world.dead) == {0, 1, 2}
    assert len(world.answered) == 57


async def test_a_quota_of_the_account_is_waited_for_without_a_flapping_breaker():
    """429 for everyone at first, mixed with answers to calls made before; the Retry-After is near the deadline."""

    def fate(record, now):
        if now < 200:
            return (40.0, None) if record % 8 == 0 and now < 100 else RateLimitedError("slow", retry_after=60)
        return None

    world = World(fate, records=200, slots=64, deadline=300)
    assert await world.run(limit=5000)
    assert world.dead == {}
    assert world.openings == 0


async def test_a_retry_after_beyond_the_time_is_no_dead_letter_before_the_time_is_over():
    limited = RateLimitedError("slow", retry_after=600, http_status=429)
    world = World(lambda record, now: limited if record == 3 else None, records=64 * 120, slots=64, deadline=60)
    assert await world.run(limit=2000)
    assert list(world.dead) == [3]
    assert 60 <= world.dead[3][1] < 70
    assert sum(attempt.invocation.record_id == "3" for _, attempt in world.model.asked) == 2, "a last one at the end"


@pytest.mark.parametrize("refusal", [KEY, FORBIDDEN, ProviderMisconfiguredError("No such model.", http_status=404)])
async def test_records_refused_among_good_answers_are_refused_and_halt_nobody(refusal):
    refused = set(range(100, 220, 10))
    world = World(lambda record, now: refusal if record in refused else None, records=64 * 80, slots=64)
    assert await world.run(limit=2000)
    assert world.halted is None
    assert {kind for kind, _ in world.dead.values()} == {ProviderRefusedError}
    assert set(world.dead) == refused


async def test_one_forbidden_record_of_an_idle_worker_is_refused_and_its_successors_answered():
    world = World(lambda record, now: FORBIDDEN if record == 3 else None, records=6, every=300.0)
    assert await world.run()
    assert world.halted is None
    assert {record: kind for record, (kind, _) in world.dead.items()} == {3: ProviderRefusedError}
    assert world.answered == [0, 1, 2, 4, 5]


async def test_two_forbidden_records_with_no_answer_between_halt_an_idle_worker():
    world = World(lambda record, now: FORBIDDEN if record >= 3 else None, records=6, every=300.0)
    assert await world.run()
    assert isinstance(world.halted, ProviderUnusableError)
    assert list(world.dead) == [3]


@pytest.mark.parametrize("refusal", [KEY, FORBIDDEN])
async def test_a_single_record_and_a_wrong_key_end_with_a_sentence(refusal):
    world = World(lambda record, now: refusal, records=1)
    assert await world.run()
    assert isinstance(world.halted, ProviderUnusableError)
    assert 10 <= world.time() < 60


async def test_a_key_refused_for_some_seconds_is_an_outage():
    world = World(lambda record, now: KEY if 20 <= now < 28 else None, records=2000)
    assert await world.run()
    assert world.halted is None
    assert world.dead == {}
