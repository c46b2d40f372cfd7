"""Requests over many records, whole and in parts, and workers that are killed while they wait and while they work."""

import asyncio
from functools import partial

from schemas.topics import REQUESTS
from tests.chaos.catalogue import case
from tests.chaos.evidence import Input
from tests.chaos.members import paused
from tests.chaos.replaying import replay, replayed
from tests.chaos.requests import SETTINGS, Asked, Requests
from tests.chaos.stage import Stage

PARTS_WAIT_SECONDS = 30
"""Longer than a worker takes to start on a busy machine, and somebody to replay."""


@case("requests-killed")
async def killed(stage: Stage) -> None:
    """A worker is killed twice at work on requests, some in chunks, some with parts half arrived: one outcome each."""
    await _killed(stage, 2)


@case("requests-killed-8-times", seconds=900)
async def killed_eight_times(stage: Stage) -> None:
    """The same eight times at random moments, in the work of each step and between the parts."""
    await _killed(stage, 8)


async def _killed(stage: Stage, times: int) -> None:
    [worker] = await stage.system(**SETTINGS)
    requests = Requests(stage)
    await stage.answered(await requests.publish_all(_a_mixture(requests)))
    await stage.weighed()
    stage.ledger.latency = 0.3
    for _ in range(times):
        halves = [requests.a_request(60, 4, summary=number % 2 == 1) for number in range(4)]
        cuts = [_shuffled_and_cut(stage) for _ in halves]
        given: list[Input] = []
        asked = stage.ledger.asked
        for half, (before, _) in zip(halves, cuts, strict=True):
            given += await requests.publish(half, before)
        given += await requests.publish_all(_a_mixture(requests))
        given += await stage.inputs.publish(20)
        await stage.ledger.until_asked(asked + stage.random.randrange(1, 60))
        await stage.kill(worker)
        starting = asyncio.create_task(worker.start())
        for half, (_, after) in zip(halves, cuts, strict=True):
            await paused(stage.random.uniform(0, 2))
            given += await requests.publish(half, after)
        await starting
        await stage.answered(given)
    await stage.settled()
    assert stage.sightings.progress, "no progress was told"


def _shuffled_and_cut(stage: Stage) -> tuple[list[int], list[int]]:
    """The numbers of four parts in any order: those that come before a kill, and those that come after it."""
    numbers = stage.random.sample(range(1, 5), 4)
    cut = stage.random.randrange(0, 4)
    return numbers[:cut], numbers[cut:]


def _a_mixture(requests: Requests) -> list[Asked]:
    """Of each kind one or two: some fifty LLM calls in all."""
    return [
        *(requests.a_request(4, summary=summary, mode="single_pass") for summary in (False, True, False)),
        *(requests.a_request(60, summary=summary, mode="hierarchical") for summary in (False, True)),
        *(requests.a_request(6, 2, summary=summary) for summary in (False, True)),
        *(requests.a_request(60, 3, summary=summary) for summary in (False, True)),
    ]


@case("answered-parts-killed")
async def answered_parts(stage: Stage) -> None:
    """SIGKILL when a request in parts was answered, and another one between its parts was not: nothing waits for ever.

    What is committed ends at the unfinished one. Whoever goes on from there must find all of the parts, or none.
    """
    [worker] = await stage.system(PARTS_WAIT_SECONDS=PARTS_WAIT_SECONDS, **SETTINGS)
    requests = Requests(stage)
    answered, slow = requests.a_request(30, 3), requests.a_request(4, text="[[slow:30x1]]", mode="single_pass")
    given = await requests.publish(answered, [1], partition=0)
    between = await requests.publish(slow, partition=0)
    given += await requests.publish(answered, [2, 3], partition=0)
    await stage.answered(given)
    await paused(5)  # all is committed that may be
    assert between[0].event_id in stage.sightings.open, "nothing is unfinished"
    await stage.kill(worker)
    await worker.start()
    await stage.answered()
    await stage.settled()


@case("parts-missing", seconds=600)
async def parts_missing(stage: Stage) -> None:
    """Parts never come, come twice, or come after a SIGKILL: what lacks one is a dead letter that names it."""
    [worker] = await stage.system(PARTS_WAIT_SECONDS=PARTS_WAIT_SECONDS, **SETTINGS)
    requests = Requests(stage)
    await stage.answered(await requests.publish_all(_a_mixture(requests)))
    await stage.weighed()

    holed = requests.a_request(30, 3, mode="hierarchical")
    waiting = await requests.publish(holed, [3, 1], reason="incomplete_request")
    mended = requests.a_request(30, 5, summary=True)
    waiting += await requests.publish(mended, [2, 5], reason="incomplete_request")
    twice = requests.a_request(30, 3)
    again = (("ce_source", stage.group.encode()), ("ce_id", b"again"))
    others = await requests.publish(twice, [2, 3, 2])
    others += await requests.publish(twice, [3], headers=again)
    others += await requests.publish(twice, [3], headers=again)
    others += await requests.publish(twice, [1, 1])
    others += await requests.publish_all(_a_mixture(requests))
    others += await stage.inputs.publish(20)
    await stage.answered(others)
    await _none_passed(stage, waiting)
    await stage.answered(waiting)
    _names_missing(stage, waiting[:2], "part 2 did not come")
    _names_missing(stage, waiting[2:], "parts 1, 3-4 did not come")
    await requests.publish(twice, [2])  # what was answered, again
    await stage.settled()

    for _ in range(2):
        await _killed_while_parts_wait(stage, requests)

    # What was missing comes, and the rest is replayed. The replayed ones have the ids that they had.
    late = await requests.publish(holed, [2])
    assert await replay(stage, *_letters_of(stage, waiting[:2])) == (0, 2, 2, 0, 0)
    assert len(await replayed(stage, REQUESTS.name)) == 2
    await stage.answered(late)
    await stage.settled()
    assert worker.alive


async def _killed_while_parts_wait(stage: Stage, requests: Requests) -> None:
    """Some of the others come while nobody is there, and some after that; one never does."""
    late, never = requests.a_request(30, 4, summary=True), requests.a_request(20, 3)
    worker = stage.members["worker"]
    given = await requests.publish(late, stage.random.sample([1, 2, 3], 2))
    waiting = await requests.publish(never, [2], reason="incomplete_request")
    given += await requests.publish_all(_a_mixture(requests))
    await stage.sightings.until(partial(_any_answered, stage, given))
    await paused(stage.random.uniform(0, 1))
    await _none_passed(stage, waiting)
    await stage.kill(worker)
    given += await requests.publish(late, [1, 2])
    await worker.start()
    given += await requests.publish(late, [4, 3, 4])
    await stage.answered(given)
    await stage.answered(waiting)
    _names_missing(stage, waiting, "parts 1, 3 did not come")
    await stage.settled()


def _any_answered(stage: Stage, given: list[Input]) -> bool:
    return any(each.event_id not in stage.sightings.open for each in given)


async def _none_passed(stage: Stage, waiting: list[Input]) -> None:
    """Nothing is committed beyond parts that wait; beside the samples of each second, now."""
    committed = (await stage.snapshot()).committed
    await stage.sightings.caught_up()
    for given in waiting:
        if given.event_id in stage.sightings.open:
            assert committed.get(given.place[:2], 0) <= given.place[2], "a part that waits was committed"


def _letters_of(stage: Stage, given: list[Input]) -> set[str]:
    places = {each.place for each in given}
    return {letter.dead_letter_id for letter in stage.sightings.letters if letter.source in places}


def _names_missing(stage: Stage, waiting: list[Input], words: str) -> None:
    """The dead letter of each of these names the parts that did not come."""
    for given in waiting:
        said = [letter.message for letter in stage.sightings.letters if letter.source == given.place]
        assert said, "there is no dead letter"
        assert all(words in each for each in said), said
