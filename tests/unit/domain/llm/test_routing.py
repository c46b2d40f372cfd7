"""A second model: asked while the first is down or refuses, left when the first is back; nobody pays for an outage."""

import asyncio
import logging
from dataclasses import replace

import pytest

from domain.delivery.steps import Asking, Clock, InvocationSteps
from domain.errors import (
    FeedbackError,
    ProviderMisconfiguredError,
    ProviderRefusedError,
    ProviderUnavailableError,
    ProviderUnusableError,
    TooLargeError,
)
from domain.llm.breaker import CircuitBreaker
from domain.llm.retry import RetryPolicy
from domain.llm.routing import Route, Routing
from tests.builders import a_prompt, an_invocation
from tests.fakes import FakePublisher, ScriptedModel
from tests.unit.domain.llm.test_outages import SimulatedTime

DOWN = ProviderUnavailableError("down", http_status=503)
KEY = ProviderMisconfiguredError("The key is refused.", http_status=401)
REFUSED = ProviderRefusedError("Content policy.", http_status=400)


class Two:
    """Two models; `fates` says of each how its attempts end now (None: with an answer)."""

    def __init__(self):
        self.time = SimulatedTime()
        self.fates = {"first": None, "second": None}
        self.models = {name: self._model(name) for name in self.fates}
        self.breakers = {name: CircuitBreaker(clock=self.time, call_later=self.time.call_later) for name in self.fates}
        self.routes = [Route(self.models[name], self.breakers[name]) for name in self.fates]
        self.routing = Routing(*self.routes)
        self.answers, self.errors = [], []

    def _model(self, name):
        async def answer(prompt, attempt):
            await self.time.sleep(0.5)
            if self.fates[name] is not None:
                raise self.fates[name]
            return name

        model = ScriptedModel(answer)
        model.name = f"{name}/model"
        return model

    async def ask(self, record="1", deadline=60.0):
        clock = Clock(monotonic=self.time, random=lambda: 0.5, sleep=self.time.sleep)
        asking = Asking(self.routing, asyncio.Semaphore(99), RetryPolicy(), FakePublisher(), clock)
        invocation = an_invocation(record_id=record, deadline_seconds=deadline)
        try:
            answer = await InvocationSteps(asking, invocation, "trace").ask(a_prompt(), str)
        except FeedbackError as error:
            self.errors.append(error)
        else:
            self.answers.append(answer.value)

    async def asked(self, *records, limit=3600.0, **options):
        tasks = [asyncio.create_task(self.ask(record, **options)) for record in records]
        assert await self.time.pass_until(lambda: all(task.done() for task in tasks), self.time() + limit)

    async def passes(self, seconds):
        waited = asyncio.ensure_future(self.time.sleep(seconds))
        assert await self.time.pass_until(waited.done, self.time() + seconds)

    def calls(self, name):
        return len(self.models[name].asked)


async def test_while_the_first_is_down_the_second_answers_and_input_is_read_on():
    two = Two()
    two.fates["first"] = DOWN
    await two.asked(*map(str, range(20)))
    assert two.answers == ["second"] * 20
    assert not two.errors
    assert two.breakers["first"].is_open
    assert not two.routing.is_open
    assert two.routing.may_pull(10_000)
    before = two.calls("first")
    await two.asked("a", "b", "c")
    assert two.calls("first") - before <= 1, "a probe at most: none of them waits for the first"


async def test_a_probe_brings_the_first_back():
    two = Two()
    two.fates["first"] = DOWN
    await two.asked(*map(str, range(20)))
    two.fates["first"] = None
    await two.passes(60)
    await two.asked("probe")
    assert two.answers[-1] == "first"
    assert not two.breakers["first"].is_open


async def test_what_the_first_refuses_the_second_answers_and_the_last_refusal_is_the_one_told():
    two = Two()
    two.fates["first"] = REFUSED
    await two.asked("1")
    assert two.answers == ["second"]
    assert not two.breakers["first"].is_open
    numbers = [attempt.number for name in two.models for _, attempt in two.models[name].asked]
    assert numbers == [1, 2], "one count of attempts"
    two.fates["second"] = ProviderRefusedError("The second's.", http_status=422)
    await two.asked("2")
    (error,) = two.errors
    assert error.message == "The second's."


@pytest.mark.parametrize("back", ["first", "second"])
async def test_while_both_are_down_all_wait_for_whichever_comes_back_and_nobody_is_out_of_time(back):
    two = Two()
    two.fates = {"first": DOWN, "second": DOWN}
    tasks = [asyncio.create_task(two.ask(str(n))) for n in range(10)]
    assert not await two.time.pass_until(lambda: any(task.done() for task in tasks), 800)
    assert two.routing.is_open
    assert not two.routing.may_pull(10)
    two.fates[back] = None
    assert await two.time.pass_until(lambda: all(task.done() for task in tasks), 2000)
    assert two.answers == [back] * 10
    assert not two.errors


async def test_a_wrong_key_of_the_first_is_said_once_and_does_not_stop_the_worker(caplog):
    two = Two()
    two.fates["first"] = KEY
    with caplog.at_level(logging.ERROR):
        for turn in range(30):
            await two.asked(*(f"{turn}-{n}" for n in range(4)))
            await two.passes(3)
    assert two.answers == ["second"] * 120
    assert not two.errors
    (line,) = [record.getMessage() for record in caplog.records if "refuses every request" in record.getMessage()]
    assert "first/model" in line
    assert two.breakers["first"].unusable


async def test_wrong_keys_of_both_stop_the_worker():
    two = Two()
    two.fates = {"first": KEY, "second": KEY}
    await two.asked(*map(str, range(4)))
    assert {type(error) for error in two.errors} == {ProviderUnusableError}


async def test_a_refused_request_is_no_reason_to_stop_where_only_the_fallback_has_a_wrong_key():
    two = Two()
    two.fates = {"first": REFUSED, "second": KEY}
    await two.asked("1", "2", "3")
    assert two.errors == [REFUSED] * 3


def test_each_operation_has_its_own_model_and_all_have_the_fallback():
    two, other = Two(), Route(ScriptedModel(), CircuitBreaker())
    first, second = two.routes
    routing = Routing(first, second, {"summarize": other})
    assert routing.of("summarize") == (other, second)
    assert routing.of("analyze") == (first, second)
    assert routing.routes == (first, second, other)


def only_the_second_holds_the_prompt(two):
    two.routes = [replace(two.routes[0], context_tokens=10), two.routes[1]]
    two.routing = Routing(*two.routes)


async def test_a_refusal_by_the_only_one_that_takes_so_much_is_the_one_told():
    two = Two()
    only_the_second_holds_the_prompt(two)
    two.fates["second"] = REFUSED
    await two.asked("1", "2")
    assert two.errors == [REFUSED] * 2
    assert (two.calls("first"), two.calls("second")) == (0, 2)


async def test_what_only_a_model_with_a_wrong_key_takes_is_too_large_and_stops_nobody(caplog):
    two = Two()
    only_the_second_holds_the_prompt(two)
    two.fates["second"] = KEY
    await two.asked("1", "2", "3")
    assert [type(error) for error in two.errors] == [TooLargeError] * 3
    assert "second/model refuses every request" in caplog.text
