"""A tenant whose work is paused: nobody is asked for it, all of it is kept, and nobody else notices."""

import asyncio
import logging

from domain.dead_letters.originals import message_of
from domain.delivery.pauses import LASTS_LOOKS, OVER_LOOKS, PausedNow, WatchedPauses
from domain.delivery.reasons import REASONS
from domain.errors import UsageUnavailableError
from tests.builders import TENANT, a_framework, a_message, a_record
from tests.fakes import until
from tests.unit.domain.delivery.desk import a_part
from tests.unit.domain.delivery.setup import CODES, DEAD, SUMMARIES, Setup

ANALYSES = "feedback.analyses"


class Switch:
    """Pauses that a test turns on and off."""

    def __init__(self, *paused):
        self.paused = set(paused)

    def is_paused(self, tenant_id, operation):
        return PausedNow(self.paused).is_paused(tenant_id, operation)


async def test_what_is_paused_is_asked_of_no_model_and_kept_whole():
    setup = Setup(pauses=Switch((TENANT, None)))
    await setup.handle(a_record())
    await setup.handle(a_record(tenant_id="others", operations=["summarize"]))
    letters = setup.publisher.dead_letters()
    assert {(one.reason, one.operation, one.attempts) for one in letters} == {
        ("budget_exhausted", "assign_codes", 0),
        ("budget_exhausted", "summarize", 0),
    }
    assert "budget_exhausted" in REASONS
    assert all("feedback dead-letters replay --reason budget_exhausted" in one.message for one in letters)
    assert setup.publisher.counts() == {DEAD: 2, SUMMARIES: 1}
    assert [prompt.operation for prompt, _ in setup.model.asked] == ["summarize"]


async def test_of_one_paused_operation_the_others_go_on():
    setup = Setup(pauses=Switch((TENANT, "summarize")))
    await setup.handle(a_record())
    assert setup.publisher.counts() == {DEAD: 1, CODES: 1}


async def test_when_the_pause_is_over_a_replay_has_the_result_that_it_would_have_had():
    switch = Switch((TENANT, None))
    setup = Setup(pauses=switch)
    await setup.handle(a_record())
    letters = setup.publisher.dead_letters()
    switch.paused.clear()
    for letter in letters:
        replay = message_of(letter)
        await setup.delivery.handle(a_message(replay.value, key=replay.key, headers=replay.headers))
    assert setup.publisher.counts() == {DEAD: 2, CODES: 1, SUMMARIES: 1}
    [coding], [summary] = setup.publisher.on(CODES), setup.publisher.on(SUMMARIES)
    assert {coding["result_id"], summary["result_id"]} == {str(letter.result_id) for letter in letters}


async def test_a_paused_record_waits_for_no_framework():
    setup = Setup(pauses=Switch((TENANT, "assign_codes")), framework_wait_seconds=3600.0)
    async with asyncio.timeout(30):
        await setup.handle(a_record(framework_id="late", operations=["assign_codes"]))
    [letter] = setup.publisher.dead_letters()
    assert letter.reason == "budget_exhausted"


async def test_what_waited_for_its_framework_while_the_pause_began_is_kept_too():
    switch = Switch()
    setup = Setup(pauses=switch)
    waiting = asyncio.create_task(setup.handle(a_record(framework_id="late")))
    await until(lambda: setup.publisher.on(SUMMARIES))
    switch.paused.add((TENANT, None))
    setup.catalogue.publish(a_framework(framework_id="late"))
    await waiting
    assert setup.publisher.counts() == {SUMMARIES: 1, DEAD: 1}


async def test_any_number_of_paused_inputs_stops_no_worker():
    setup = Setup(pauses=Switch((TENANT, None)))
    for number in range(150):
        await setup.handle(a_record(record_id=str(number), operations=["summarize"]))
    assert setup.publisher.counts() == {DEAD: 150}


async def test_each_part_of_a_paused_request_is_kept():
    switch = Switch((TENANT, "analyze"))
    setup = Setup(pauses=switch)
    parts = [a_part(number, 3) for number in (1, 2, 3)]
    await asyncio.gather(*(setup.handle(part, topic="feedback.requests") for part in parts))
    letters = setup.publisher.dead_letters()
    assert [one.reason for one in letters] == ["budget_exhausted"] * 3
    assert len({one.result_id for one in letters}) == 1
    switch.paused.clear()
    replays = [message_of(letter) for letter in letters]
    await asyncio.gather(
        *(
            setup.delivery.handle(a_message(one.value, topic=one.topic, key=one.key, headers=one.headers))
            for one in replays
        )
    )
    [analysis] = setup.publisher.on(ANALYSES)
    assert analysis["result_id"] == str(letters[0].result_id)


class Source:
    """What is paused, or what is wrong."""

    def __init__(self):
        self.says = set()

    async def paused(self):
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


async def test_the_latest_look_counts_and_only_for_a_while(caplog):
    now, source = [100.0], Source()
    pauses = WatchedPauses(source, 5.0, lambda: now[0])
    assert not pauses.is_paused("a", "analyze")

    source.says = {("a", None), ("b", "analyze")}
    await pauses.look()
    asked = [("a", "analyze"), ("a", "x"), ("b", "analyze"), ("b", "x"), ("c", "analyze")]
    assert [pauses.is_paused(*one) for one in asked] == [True, True, True, False, False]

    # Where nobody can say who is paused, nobody is, after a while; a sentence says so once.
    source.says = UsageUnavailableError("The database did not answer.")
    with caplog.at_level(logging.WARNING):
        await pauses.look()
        await pauses.look()
    [record] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "nobody's LLM work is paused" in record.getMessage()
    now[0] += LASTS_LOOKS * 5.0 - 0.001
    assert pauses.is_paused("a", "x")
    now[0] += 0.001
    assert not pauses.is_paused("a", "x")
    assert OVER_LOOKS > LASTS_LOOKS

    source.says = KeyError("a fault of ours")
    await pauses.look()
    source.says = {("a", "x")}
    await pauses.look()
    assert [pauses.is_paused("a", "x"), pauses.is_paused("b", "analyze")] == [True, False]
    source.says = set()
    await pauses.look()
    assert not pauses.is_paused("a", "x")


async def test_it_looks_again_and_again():
    source = Source()
    pauses = WatchedPauses(source, 0.0)
    watching = asyncio.create_task(pauses.run())
    source.says = {("a", None)}
    # Of looks with nothing between them each lasts for no time: what was asked is seen.
    await until(lambda: pauses._now.paused)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
