"""Many inputs at once: what one waits for or fails at is nobody else's concern."""

import asyncio
from datetime import timedelta

import pytest

from domain.errors import (
    BugError,
    DeadlineExceededError,
    ProviderRefusedError,
    ProviderUnavailableError,
    TooManyDeadLettersError,
)
from tests.builders import NOON, a_framework, a_record
from tests.fakes import USUAL_ANSWERS, until
from tests.unit.domain.delivery.setup import CODES, DEAD, SUMMARIES, Setup, finishes_with, turns

DOWN = ProviderUnavailableError("down")


class Hanging:
    """A script whose answers come when it is opened."""

    def __init__(self):
        self.open = asyncio.Event()

    def __call__(self, prompt, attempt):
        return self.answer(prompt.operation)

    async def answer(self, operation):
        await self.open.wait()
        return USUAL_ANSWERS[operation]


async def test_a_record_waits_for_its_framework_without_holding_up_anything():
    setup = Setup(max_in_flight=1)
    waiting = asyncio.create_task(setup.handle(a_record(framework_id="late")))
    await until(lambda: setup.publisher.on(SUMMARIES))
    assert setup.publisher.counts() == {SUMMARIES: 1}, "its own summary is not held up"

    await setup.delivery.ready_for_more()
    await setup.handle(a_record())
    assert setup.publisher.counts() == {SUMMARIES: 2, CODES: 1}
    assert not waiting.done()

    setup.catalogue.publish(a_framework(framework_id="late"))
    await waiting
    assert [coding["framework_id"] for coding in setup.publisher.on(CODES)] == ["community-feedback", "late"]


async def test_a_framework_that_never_comes_is_a_dead_letter_of_the_coding_alone():
    setup = Setup(framework_wait_seconds=0.02, framework_grace_seconds=0.01)
    await setup.handle(a_record(framework_id="never"))
    (letter,) = setup.publisher.dead_letters()
    assert (letter.reason, letter.operation, letter.attempts) == ("unknown_framework", "assign_codes", 0)
    assert setup.publisher.counts() == {SUMMARIES: 1, DEAD: 1}


async def test_a_backlog_behind_a_framework_that_never_comes_takes_one_grace():
    setup = Setup(framework_wait_seconds=3600, framework_grace_seconds=0.05, max_in_flight=2)
    old = NOON - timedelta(hours=2)
    async with asyncio.timeout(60):
        await asyncio.gather(
            *(
                setup.handle(
                    a_record(record_id=str(n), framework_id="never", operations=["assign_codes"]), timestamp=old
                )
                for n in range(50)
            )
        )
    assert setup.publisher.counts() == {DEAD: 50}


async def test_no_more_inputs_are_at_work_than_allowed():
    setup = Setup(max_in_flight=3)
    setup.model.script = script = Hanging()
    tasks = [asyncio.create_task(setup.handle(a_record(record_id=str(n), operations=["summarize"]))) for n in range(10)]
    await until(lambda: setup.model.running == 3)
    script.open.set()
    await asyncio.gather(*tasks)
    assert setup.model.most_running == 3
    assert setup.publisher.counts() == {SUMMARIES: 10}


async def test_a_puller_gets_a_turn_when_a_place_is_free():
    """There are 32 places more than slots: for inputs whose outcome is on its way to Kafka."""
    setup = Setup(max_in_flight=2)
    setup.model.script = script = Hanging()
    tasks: list[asyncio.Task[None]] = []

    async def pull():
        for n in range(40):
            await setup.delivery.ready_for_more()
            tasks.append(asyncio.create_task(setup.handle(a_record(record_id=str(n)))))

    puller = asyncio.create_task(pull())
    await until(lambda: len(tasks) == 34 and setup.model.running == 2)
    await turns()
    assert len(tasks) == 34
    script.open.set()
    await puller
    await asyncio.gather(*tasks)


async def test_while_the_provider_is_down_a_puller_lets_in_two_and_nothing_is_given_up():
    setup = Setup(max_in_flight=100, deadline_seconds=5.0)
    down = True

    def script(prompt, attempt):
        if down:
            raise DOWN
        return USUAL_ANSWERS[prompt.operation]

    setup.model.script = script
    tasks = []

    async def pull():
        for n in range(20):
            await setup.delivery.ready_for_more()
            tasks.append(asyncio.create_task(setup.handle(a_record(record_id=str(n), operations=["summarize"]))))

    setup.breaker.trip(DOWN)
    puller = asyncio.create_task(pull())
    await until(lambda: len(setup.model.asked) > 30)
    assert len(tasks) == 2
    down = False
    await puller
    await asyncio.gather(*tasks)
    assert setup.publisher.counts() == {SUMMARIES: 20}


async def test_one_record_that_always_fails_is_a_dead_letter_and_its_neighbours_are_not():
    setup = Setup()

    def script(prompt, attempt):
        if attempt.invocation.record_id == "poison":
            raise DOWN
        return USUAL_ANSWERS[prompt.operation]

    setup.model.script = script
    poison = asyncio.create_task(setup.handle(a_record(record_id="poison", operations=["summarize"])))
    await until(lambda: setup.model.asked)
    await asyncio.sleep(0)
    for n in range(20):
        await setup.handle(a_record(record_id=str(n), operations=["summarize"]))
    await poison

    (letter,) = setup.publisher.dead_letters()
    assert (letter.reason, letter.error_class) == ("deadline_exceeded", DeadlineExceededError.__name__)
    assert letter.attempts > 2
    assert len(setup.publisher.on(SUMMARIES)) == 20


async def test_an_unknown_exception_gets_a_second_try():
    setup = Setup()
    failures = [ZeroDivisionError()]

    def script(prompt, attempt):
        if failures:
            raise failures.pop()
        return USUAL_ANSWERS[prompt.operation]

    setup.model.script = script
    await setup.handle(a_record())
    assert setup.publisher.counts() == {SUMMARIES: 1, CODES: 1}


async def test_an_unknown_exception_twice_is_a_dead_letter_and_of_three_inputs_in_a_row_a_bug():
    setup = Setup(saying={"summarize": ZeroDivisionError("secret"), "assign_codes": ZeroDivisionError("secret")})
    await setup.handle(a_record(record_id="1"))
    await setup.handle(a_record(record_id="2"))
    assert {(letter.reason, letter.error_class, letter.attempts) for letter in setup.publisher.dead_letters()} == {
        ("internal_error", "ZeroDivisionError", 2)
    }
    assert len(setup.publisher.dead_letters()) == 4
    with pytest.raises(BugError, match="ZeroDivisionError"):
        await setup.handle(a_record(record_id="3", operations=["summarize"]))
    assert len(setup.publisher.dead_letters()) == 4


async def test_bugs_with_answers_between_them_are_those_of_their_inputs():
    setup = Setup()

    def script(prompt, attempt):
        if attempt.invocation.record_id == "bad":
            raise KeyError
        return USUAL_ANSWERS[prompt.operation]

    setup.model.script = script
    for _ in range(5):
        await setup.handle(a_record(record_id="bad", operations=["summarize"]))
        await setup.handle(a_record(record_id="bad", operations=["summarize"]))
        await setup.handle(a_record(operations=["summarize"]))
    assert setup.publisher.counts() == {SUMMARIES: 5, DEAD: 10}


async def test_a_bug_in_the_publisher_comes_out():
    setup = Setup()

    def refuse(message):
        raise RuntimeError

    setup.publisher.refuse = refuse
    with pytest.raises(BugError, match="RuntimeError"):
        await setup.handle(a_record())


async def test_results_of_one_operation_do_not_hide_the_bugs_of_another():
    setup = Setup(saying={"assign_codes": ZeroDivisionError()})
    await setup.handle(a_record(record_id="1"))
    await setup.handle(a_record(record_id="2"))
    with pytest.raises(BugError, match="assign_codes"):
        await setup.handle(a_record(record_id="3"))


async def test_results_of_one_operation_do_not_hide_the_dead_letters_of_another():
    setup = Setup(saying={"assign_codes": ProviderRefusedError("no")}, dead_letter_minimum=10, dead_letter_window=20)
    for n in range(9):
        await setup.handle(a_record(record_id=str(n)))
    with pytest.raises(TooManyDeadLettersError, match="At assign_codes, 10 of the latest 10 outcomes"):
        await setup.handle(a_record())
    assert setup.publisher.counts() == {SUMMARIES: 10, DEAD: 10}


async def test_inputs_that_can_be_read_count_against_those_that_cannot():
    setup = Setup(dead_letter_minimum=10, dead_letter_window=20)
    for n in range(15):
        await setup.handle(a_record(record_id=str(n), operations=["assign_codes"]))
        await setup.handle(b"no")
    assert setup.publisher.counts() == {CODES: 15, DEAD: 15}


async def test_too_many_dead_letters_stop_the_worker():
    setup = Setup(dead_letter_minimum=10, dead_letter_window=20)
    for _ in range(9):
        await setup.handle(b"no")
    with pytest.raises(TooManyDeadLettersError):
        await setup.handle(b"no")
    assert len(setup.publisher.dead_letters()) == 10, "each has its dead letter"


async def test_bad_neighbours_harm_nobody():
    setup = Setup()
    bad = [b"{", None, b"[]", {"schema_version": 9}, {**a_record().model_dump(mode="json"), "content": " "}]
    good = [a_record(record_id=f"good-{n}") for n in range(len(bad))]
    tasks = [asyncio.create_task(setup.handle(value)) for pair in zip(bad, good, strict=True) for value in pair]
    assert [await finishes_with(task) for task in tasks] == [None] * 10
    assert setup.publisher.counts() == {CODES: 5, SUMMARIES: 5, DEAD: 5}
    assert sorted(letter.reason for letter in setup.publisher.dead_letters()) == [
        "blank_content",
        "empty_payload",
        "not_json",
        "not_json",
        "unknown_version",
    ]
