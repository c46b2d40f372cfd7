"""Parts of requests on their way through the whole delivery: one result, or a dead letter for each."""

import asyncio

from domain.delivery.parts import PartsSettings
from domain.errors import BrokerUnavailableError
from tests.builders import a_message, a_record, an_analysis_request
from tests.fakes import until
from tests.unit.domain.delivery.setup import DEAD, Setup, finishes_with, turns

ANALYSES = "feedback.analyses"
QUICK = PartsSettings(wait_seconds=0.01, grace_seconds=0.01)


def a_part(number, of=2):
    records = [{"record_id": f"p{number}", "content": "The tap is dry."}]
    return an_analysis_request(records=records, part={"number": number, "of": of})


def handing_in(setup, *parts):
    return [asyncio.create_task(setup.handle(part, topic="feedback.requests")) for part in parts]


async def test_parts_come_to_one_result_that_names_where_all_of_them_stand():
    setup = Setup()
    await asyncio.gather(*handing_in(setup, a_part(2), a_part(1)))
    (result,) = setup.publisher.on(ANALYSES)
    assert (result["records_given"], result["request_id"], len(result["inputs"])) == (2, "request-1", 2)
    assert setup.publisher.counts() == {ANALYSES: 1}


async def test_parts_tell_how_far_they_are_to_be_acknowledged_together_whatever_became_of_them():
    setup = Setup(parts=QUICK)
    await setup.handle(a_record())
    whole = handing_in(setup, a_part(1), a_part(2))
    waiting = handing_in(setup, a_part(1, 3).model_copy(update={"request_id": "lacking"}))
    await turns()
    setup.clock.advance(1.0)
    first, second = await asyncio.gather(*whole)
    assert first == second is not None
    (alone,) = await asyncio.gather(*waiting)
    assert alone == second + 1
    assert await setup.handle(a_record(record_id="another")) is None


async def test_waiting_parts_take_no_place():
    setup = Setup(max_in_flight=1)
    tasks = handing_in(setup, *(a_part(number, 200) for number in range(1, 200)))
    await turns(500)
    await setup.delivery.ready_for_more()
    await setup.handle(a_record())
    await asyncio.gather(*tasks, *handing_in(setup, a_part(200, 200)))
    assert setup.publisher.on(ANALYSES)[0]["records_given"] == 200


async def test_parts_without_the_others_are_dead_letters_with_the_id_of_the_result_that_is_missing():
    setup = Setup(parts=QUICK)
    waiting = handing_in(setup, a_part(1, 3), a_part(3, 3))
    await turns()
    setup.clock.advance(1.0)
    await asyncio.gather(*waiting)
    letters = setup.publisher.dead_letters()
    assert {(letter.reason, letter.operation, letter.attempts) for letter in letters} == {
        ("incomplete_request", "analyze", 0)
    }
    assert "part 2 did not come" in letters[0].message
    assert len({letter.dead_letter_id for letter in letters}) == 2

    await asyncio.gather(*handing_in(setup, a_part(1, 3), a_part(2, 3), a_part(3, 3)))
    (result,) = setup.publisher.on(ANALYSES)
    assert {str(letter.result_id) for letter in letters} == {result["result_id"]}


async def test_a_failure_of_the_work_is_a_dead_letter_for_each_part():
    setup = Setup(saying={"analyze": "no JSON"})
    await asyncio.gather(*handing_in(setup, a_part(1), a_part(2)))
    assert [letter.reason for letter in setup.publisher.dead_letters()] == ["invalid_output"] * 2
    assert len(setup.model.asked) == 2, "one invocation, with its second try"


async def test_a_bug_is_a_dead_letter_for_each_part_and_counts_once():
    setup = Setup(saying={"analyze": ZeroDivisionError()})
    await asyncio.gather(*handing_in(setup, *(a_part(number, 5) for number in range(1, 6))))
    assert [letter.reason for letter in setup.publisher.dead_letters()] == ["internal_error"] * 5


async def test_a_request_counts_as_one_failure_however_many_parts_it_has():
    setup = Setup(dead_letter_minimum=2, dead_letter_window=4, saying={"analyze": "no JSON"})
    await asyncio.gather(*handing_in(setup, *(a_part(number, 50) for number in range(1, 51))))
    assert len(setup.publisher.dead_letters()) == 50


async def test_nothing_is_done_where_the_result_was_not_acknowledged():
    setup = Setup()

    def refuse(message):
        if message.topic == ANALYSES:
            raise BrokerUnavailableError("Gone.")

    setup.publisher.refuse = refuse
    tasks = handing_in(setup, a_part(1), a_part(2))
    assert [type(await finishes_with(task)) for task in tasks] == [BrokerUnavailableError] * 2
    assert DEAD not in setup.publisher.counts()


async def test_parts_are_not_given_up_while_nothing_is_read():
    setup = Setup(parts=QUICK, max_in_flight=1)
    hold = asyncio.Event()

    async def held(prompt, attempt):
        await hold.wait()
        return setup.saying["summarize"]

    usual, setup.model.script = setup.model.script, held
    places = setup.delivery._places._places
    busy = [
        asyncio.create_task(setup.delivery.handle(a_message(a_record(record_id=str(n), operations=["summarize"]))))
        for n in range(places)
    ]
    await until(lambda: setup.delivery._places._taken == places)

    async def read():
        with setup.delivery.reading_held():
            await setup.delivery.ready_for_more()

    reading = asyncio.create_task(read())
    await turns()
    (early,) = handing_in(setup, a_part(1))
    await turns()
    assert not reading.done()
    setup.clock.advance(1_000.0)
    await asyncio.wait({early}, timeout=0.2)
    assert not early.done()
    setup.model.script = usual
    (late,) = handing_in(setup, a_part(2))
    hold.set()
    await asyncio.gather(early, late, reading, *busy)
    assert len(setup.publisher.on(ANALYSES)) == 1
