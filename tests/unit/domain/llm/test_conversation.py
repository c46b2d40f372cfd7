"""One invocation: attempts, pauses, a second chance, and whose fault it is when time runs out."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import (
    DeadlineExceededError,
    InvalidOutputError,
    LLMTimeoutError,
    ProviderMisconfiguredError,
    ProviderRefusedError,
    ProviderUnavailableError,
    ProviderUnusableError,
    RateLimitedError,
)
from domain.llm.breaker import BreakerPolicy, CircuitBreaker, Ticket
from domain.llm.conversation import Conversation
from domain.llm.countdown import Countdown
from domain.llm.parsing import LenientAtLast
from domain.llm.retry import RetryPolicy
from tests.builders import a_prompt, an_invocation
from tests.fakes import FakeClock, ScriptedModel, until

DOWN = ProviderUnavailableError("down", http_status=503)
KEY = ProviderMisconfiguredError("The provider refuses the key.", http_status=401)


def parse(text):
    if text == "nonsense":
        raise InvalidOutputError("It is nonsense.")
    return text.upper()


class Setup:
    """A model with a script, a clock, a breaker that probes without real pauses."""

    def __init__(self, script, deadline=120.0, **policy):
        self.clock = FakeClock()
        at_once = {"first_probe_seconds": 0.0, "last_probe_seconds": 0.0}
        self.breaker = CircuitBreaker(
            BreakerPolicy(**at_once | policy),
            clock=self.clock,
            call_later=self.clock.call_later,
        )
        self.model = ScriptedModel(script)
        self.deadline = deadline

    def conversation(self, **fields):
        return Conversation(
            self.model,
            an_invocation(**fields),
            self.breaker,
            Countdown(self.deadline, self.clock),
            RetryPolicy(),
            random=lambda: 0.5,
            sleep=self.clock.sleep,
        )

    async def run(self):
        return await self.conversation().run(a_prompt(), parse)


def saying(*script):
    """A script: texts are said, errors raised, one after the other, the last for ever."""
    rest = list(script)

    def say(prompt, attempt):
        said = rest.pop(0) if len(rest) > 1 else rest[0]
        if isinstance(said, BaseException):
            raise said
        return said

    return say


async def test_an_answer_is_parsed():
    answer = await Setup(saying("fine")).run()
    assert answer.value == "FINE"
    assert answer.completion.text == "fine"


async def test_failures_are_retried_with_growing_pauses_and_numbered_attempts():
    setup = Setup(saying(DOWN, LLMTimeoutError("late"), DOWN, "fine"))
    assert (await setup.run()).value == "FINE"
    assert setup.clock.slept == [0.25, 0.5, 1.0]
    assert [attempt.number for _, attempt in setup.model.asked] == [1, 2, 3, 4]
    assert {attempt.prompt_version for _, attempt in setup.model.asked} == {"summarize.v1"}


async def test_retry_after_is_honoured():
    setup = Setup(saying(RateLimitedError("slow", retry_after=7), "fine"))
    await setup.run()
    assert setup.clock.slept == [7.25]


async def test_an_invalid_answer_gets_one_more_try_with_the_complaint():
    setup = Setup(saying("nonsense", DOWN, "fine"))
    assert (await setup.run()).value == "FINE"

    prompts = [prompt for prompt, _ in setup.model.asked]
    assert [prompt.complaint is not None for prompt in prompts] == [False, True, True]
    assert "It is nonsense." in prompts[1].messages()[-1]["content"]
    assert [attempt.number for _, attempt in setup.model.asked] == [1, 2, 3]


async def test_two_invalid_answers_are_enough():
    setup = Setup(saying("nonsense"))
    with pytest.raises(InvalidOutputError):
        await setup.run()
    assert len(setup.model.asked) == 2
    assert setup.breaker.answers == 2, "the provider is up"


async def test_only_the_last_try_is_read_with_leniency():
    setup = Setup(saying("nonsense"))
    answer = await setup.conversation().run(a_prompt(), LenientAtLast(parse, str))
    assert (answer.value, len(setup.model.asked)) == ("nonsense", 2)

    late = Setup(None, deadline=10)
    late.model.script = lambda prompt, attempt: late.clock.advance(11) or "nonsense"
    answer = await late.conversation().run(a_prompt(), LenientAtLast(parse, str))
    assert (answer.value, len(late.model.asked)) == ("nonsense", 1)


async def test_a_refusal_is_final_and_no_sign_of_an_outage():
    setup = Setup(saying(ProviderRefusedError("no")))
    with pytest.raises(ProviderRefusedError):
        await setup.run()
    assert len(setup.model.asked) == 1
    assert setup.breaker.answers == 1


async def test_one_that_fails_while_others_are_answered_runs_out_of_time():
    setup = Setup(None)
    conversation = setup.conversation()

    def script(prompt, attempt):
        setup.breaker.answered(Ticket())  # somebody else
        raise DOWN

    setup.model.script = script
    with pytest.raises(DeadlineExceededError):
        await conversation.run(a_prompt(), parse)

    assert not setup.breaker.is_open
    assert sum(setup.clock.slept) <= 120
    assert conversation.attempts == len(setup.model.asked) > 5


async def test_one_that_failed_while_others_were_answered_runs_out_of_time_even_when_it_is_left_alone():
    setup = Setup(saying(DOWN))
    task = asyncio.create_task(setup.run())
    await until(lambda: setup.clock.slept)
    for _ in range(50):
        setup.breaker.answered(await setup.breaker.admit())
    with pytest.raises(DeadlineExceededError):
        await task


@pytest.mark.parametrize("failure_seconds", [0, 50, 500])
async def test_an_outage_however_long_costs_no_invocation_its_time(failure_seconds):
    """Refused at once or hanging: while nobody is answered, nobody runs out of time."""
    setup = Setup(None)
    down = True

    def script(prompt, attempt):
        setup.clock.advance(failure_seconds)
        if down:
            raise DOWN
        return "fine"

    setup.model.script = script
    tasks = [asyncio.create_task(setup.run()) for _ in range(3)]
    await until(lambda: setup.breaker.is_open and len(setup.model.asked) > 50)
    setup.clock.advance(100_000)
    down = False

    assert [answer.value for answer in await asyncio.gather(*tasks)] == ["FINE"] * 3
    assert not setup.breaker.is_open


async def test_rate_limits_for_everyone_cost_no_invocation_its_time():
    setup = Setup(saying(*[RateLimitedError("slow", retry_after=50)] * 20, "fine"))
    assert (await setup.run()).value == "FINE"


async def test_a_poisoned_input_does_not_keep_the_breaker_open():
    """It fails every probe; another input in line gets the next one, is answered, and the first runs out of time."""
    setup = Setup(None)

    def script(prompt, attempt):
        setup.clock.advance(0.5)
        if attempt.invocation.record_id == "poison":
            raise DOWN
        return "fine"

    setup.model.script = script
    poisoned = asyncio.create_task(setup.conversation(record_id="poison").run(a_prompt(), parse))
    await until(lambda: setup.breaker.is_open)

    assert (await setup.run()).value == "FINE"
    with pytest.raises(DeadlineExceededError):
        await poisoned


async def test_a_wrong_key_stops_everything_once_it_is_sure():
    setup = Setup(saying(KEY), first_probe_seconds=1.0, last_probe_seconds=30.0)
    with pytest.raises(ProviderUnusableError, match="refuses the key"):
        await setup.run()
    assert 5 <= len(setup.model.asked) < 12
    assert 10 <= setup.clock() < 30


async def test_a_wrong_key_for_a_moment_is_an_outage():
    setup = Setup(saying(*[ProviderMisconfiguredError("key")] * 3, "fine"))
    assert (await setup.run()).value == "FINE"


async def test_cancelling_a_probe_lets_the_next_one_go():
    setup = Setup(None)
    asked, forever = asyncio.Event(), asyncio.Event()

    async def hang():
        asked.set()
        await forever.wait()
        return "never"

    setup.model.script = lambda prompt, attempt: hang()
    setup.breaker.trip(DOWN)
    first = asyncio.create_task(setup.run())
    await asked.wait()
    second = asyncio.create_task(setup.run())
    await asyncio.sleep(0)
    setup.model.script = saying("fine")
    first.cancel()

    assert (await second).value == "FINE"
    assert len(setup.model.asked) == 2
    assert first.cancelled()


async def test_an_unknown_exception_passes_and_frees_the_probe():
    setup = Setup(saying(ZeroDivisionError()))
    setup.breaker.trip(DOWN)
    with pytest.raises(ZeroDivisionError):
        await setup.run()
    setup.model.script = saying("fine")
    assert (await setup.run()).value == "FINE"


@given(st.lists(st.sampled_from(["down", "late", "slow", "nonsense"]), max_size=30), st.floats(1, 200))
@settings(max_examples=60, deadline=None)
async def test_whatever_happens_it_ends_with_an_answer_or_a_reason(story, deadline):
    events = {
        "down": DOWN,
        "late": LLMTimeoutError("late"),
        "slow": RateLimitedError("slow", retry_after=3),
        "nonsense": "nonsense",
    }
    setup = Setup(saying(*[events[event] for event in story], "fine"), deadline=deadline)
    try:
        assert (await setup.run()).value == "FINE"
        assert story.count("nonsense") < 2
    except InvalidOutputError:
        assert "nonsense" in story
    except DeadlineExceededError:
        assert setup.breaker.answers, "somebody was answered"
    assert [attempt.number for _, attempt in setup.model.asked] == list(range(1, len(setup.model.asked) + 1))
