"""One invocation's time: shared by all of its questions, and standing still while one of them has nobody to answer."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.delivery.steps import Asking, Clock, InvocationSteps
from domain.errors import DeadlineExceededError, LLMTimeoutError, ProviderRefusedError, ProviderUnavailableError
from domain.llm.breaker import CircuitBreaker
from domain.llm.retry import RetryPolicy
from domain.llm.routing import Route, Routing
from tests.builders import a_prompt, an_invocation
from tests.fakes import FakePublisher, ScriptedModel
from tests.unit.domain.llm.test_outages import SimulatedTime

DOWN = ProviderUnavailableError("down", http_status=503)
LATE = LLMTimeoutError("late")
REFUSED = ProviderRefusedError("Content policy.", http_status=400)
DEADLINE = 100.0


class Worker:
    """A worker with some models. `fates` says of each what becomes of an attempt that is begun now for a record.

    A fate is a pair: the seconds that the attempt takes, and what it ends with (None: an answer).
    """

    def __init__(self, *fates, slots=999):
        self.time = SimulatedTime()
        self.models = [self._model(fate) for fate in fates]
        self.routes = [
            Route(model, CircuitBreaker(clock=self.time, call_later=self.time.call_later)) for model in self.models
        ]
        self.slots = asyncio.Semaphore(slots)

    def _model(self, fate):
        async def answer(prompt, attempt):
            seconds, end = fate(attempt.invocation.record_id, self.time())
            await self.time.sleep(seconds)
            if end is not None:
                raise end
            return "fine"

        return ScriptedModel(answer)

    def steps(self, record="1", deadline=DEADLINE):
        clock = Clock(monotonic=self.time, random=lambda: 0.5, sleep=self.time.sleep)
        asking = Asking(Routing(*self.routes), self.slots, RetryPolicy(), FakePublisher(), clock)
        return InvocationSteps(asking, an_invocation(record_id=record, deadline_seconds=deadline), "trace")

    async def until(self, *tasks, limit=100_000.0):
        """What the tasks end with."""
        assert await self.time.pass_until(lambda: all(task.done() for task in tasks), limit)
        return await asyncio.gather(*tasks, return_exceptions=True)

    async def at(self, second):
        waited = asyncio.ensure_future(self.time.sleep(second - self.time()))
        assert await self.time.pass_until(waited.done, second)


def asked(steps, times=1, prompt=None):
    return [asyncio.create_task(steps.ask(prompt or a_prompt(), str)) for _ in range(times)]


def down_from(began, ended, seconds=0.5, outage=DOWN):
    return lambda record, now: (seconds, outage if began <= now < ended else None)


def poison(record, now):
    return (0.5, DOWN if record == "poison" else None)


@pytest.mark.parametrize("models", [1, 2])
async def test_questions_asked_at_once_share_one_deadline(models):
    worker = Worker(*[poison] * models)
    steps = worker.steps("poison")
    tasks = asked(steps, 8)
    while not all(task.done() for task in tasks):
        asked(worker.steps("healthy"))
        await worker.at(worker.time() + 0.25)
    assert {type(task.exception()) for task in tasks} == {DeadlineExceededError}
    assert DEADLINE <= worker.time() < DEADLINE + 5
    assert steps.remaining_seconds() <= 0
    assert not any(route.breaker.is_open for route in worker.routes)

    before = steps.attempts
    later = asked(steps)
    assert isinstance((await worker.until(*later))[0], DeadlineExceededError)
    assert steps.attempts == before + 1, "nothing is left for one that comes later, but one attempt"


@pytest.mark.parametrize("models", [1, 2])
async def test_it_stands_still_while_nobody_answers_as_long_as_that_lasts_and_is_lost_once(models):
    worker = Worker(*[down_from(50, 5000)] * models)
    steps = worker.steps()
    await worker.until(*asked(steps))
    assert steps.remaining_seconds() == DEADLINE - 0.5
    await worker.at(50)
    tasks = asked(steps, 5)
    await worker.at(60)
    left = steps.remaining_seconds()
    assert 49 <= left <= 50, "the outage is known, and counted from its beginning"
    for second in (100, 1000, 4900):
        await worker.at(second)
        assert steps.remaining_seconds() == left, "told while they wait, not when they have waited"
    assert not any(isinstance(end, Exception) for end in await worker.until(*tasks))
    assert left - 35 < steps.remaining_seconds() <= left, "lost once, though five lost it"
    left, now = steps.remaining_seconds(), worker.time()
    await worker.at(now + 10)
    assert steps.remaining_seconds() == pytest.approx(left - 10), "and it goes on when all is well"


async def test_time_with_one_that_turns_out_to_be_down_is_given_back_though_another_answers():
    worker = Worker(down_from(0, 5000, 45.0, LATE), down_from(5000, 5001))
    ends = await worker.until(*(task for n in range(6) for task in asked(worker.steps(str(n)))))
    assert not any(isinstance(end, Exception) for end in ends)
    steps = worker.steps("probes")
    await worker.at(worker.time() + 60)
    await worker.until(*asked(steps))
    assert worker.time() > 60 + 45, "it made a probe"
    assert steps.remaining_seconds() >= DEADLINE - 1


@pytest.mark.parametrize("why", ["refused", "too large"])
async def test_it_stands_still_while_the_only_one_that_may_answer_is_down(why):
    first = (lambda record, now: (0.5, REFUSED)) if why == "refused" else down_from(0, 0)
    worker = Worker(first, down_from(0, 5000))
    if why == "too large":
        worker.routes[0] = replace(worker.routes[0], context_tokens=10)
    steps = worker.steps()
    tasks = asked(steps)
    await worker.at(4000)
    assert steps.remaining_seconds() >= DEADLINE - 1
    (answer,) = await worker.until(*tasks)
    assert answer.value == "fine"


async def test_it_stands_still_for_those_that_wait_for_their_turn():
    worker = Worker(down_from(10, 5000), down_from(10, 5000), slots=1)
    steps = worker.steps()
    await worker.until(*asked(steps))
    await worker.at(10)
    others = asked(worker.steps("another"))
    await worker.at(15)
    waiting = asked(steps)
    await worker.at(4000)
    assert steps.remaining_seconds() > DEADLINE - 20
    assert not any(isinstance(end, Exception) for end in await worker.until(*others, *waiting))


@pytest.mark.parametrize("models", [1, 2])
async def test_what_was_lost_jointly_is_lost_to_each_that_shares_it(models):
    worker = Worker(*[down_from(0, 5000)] * models)
    steps = worker.steps()
    joint = steps.joint()
    await worker.until(*asked(joint))
    assert steps.remaining_seconds() == DEADLINE
    steps.share(joint)
    await worker.at(worker.time() + 10)
    assert worker.time() >= 5010
    assert steps.remaining_seconds() == pytest.approx(DEADLINE - 10), "since the outage"


TROUBLES = st.lists(
    st.tuples(st.floats(0, 400), st.floats(1, 2000), st.sampled_from([(0.2, DOWN), (40.0, LATE)])), max_size=3
)


@given(TROUBLES, TROUBLES, st.integers(1, 4), st.sampled_from([2, 999]))
@settings(max_examples=40, deadline=None)
async def test_no_outage_of_either_model_or_of_both_costs_anybody_anything(first, second, at_once, slots):
    def fate(troubles):
        def of(record, now):
            for began, seconds, trouble in troubles:
                if began <= now < began + seconds:
                    return trouble
            return (0.5, None)

        return of

    worker = Worker(fate(first), fate(second), slots=slots)
    tasks = []
    for number in range(8):
        steps = worker.steps(str(number), deadline=300.0)
        tasks += asked(steps, at_once)
        await worker.at((number + 1) * 40.0)
    ends = await worker.until(*tasks)
    assert not [end for end in ends if isinstance(end, Exception)]
