"""Dead letters that are sent again by `feedback dead-letters replay`."""

from collections import Counter

from schemas.cloudevents import deterministic_id
from schemas.topics import FRAMEWORKS
from tests.builders import a_framework
from tests.chaos.catalogue import case
from tests.chaos.evidence import Input
from tests.chaos.records import while_others_are_answered
from tests.chaos.replaying import replay, replayed
from tests.chaos.stage import Stage


@case("replay-of-dead-letters")
async def replay_of_all(stage: Stage) -> None:
    """All dead letters are replayed once what ailed them is mended, twice: each is answered once, under its id."""
    await stage.consumer()
    await stage.worker(FRAMEWORK_WAIT_SECONDS=3, LLM_ATTEMPT_TIMEOUT_SECONDS=2, INVOCATION_DEADLINE_SECONDS=5)
    await stage.warm_up()
    failed, framework = await _failures(stage), a_framework(framework_id=f"{stage.group}-late")
    await while_others_are_answered(stage, failed)
    await stage.settled()
    letters = len(stage.sightings.letters)
    assert letters == 2 * 18 + 8

    key = framework.key.encode()
    await stage.inputs.producer.send_and_wait(FRAMEWORKS.name, framework.to_bytes(), key=key)
    # Those whose framework came late are in it, and their summaries are not done again.
    assert await replay(stage, "--all") == (0, letters, letters, 0, 0)
    assert len(await replayed(stage)) == letters
    wanted = {str(deterministic_id(given.event_id, name)) for given in failed for name in given.operations}
    await stage.sightings.until(lambda: wanted <= {result.result_id for result in stage.sightings.results})
    assert await replay(stage, "--all") == (0, letters, 0, letters, 0)
    await stage.settled()
    assert set(Counter(result.result_id for result in stage.sightings.results).values()) == {1}
    assert len(stage.sightings.letters) == letters
    await stage.inputs.producer.send_and_wait(FRAMEWORKS.name, None, key=key)


@case("replay-in-vain")
async def replay_in_vain(stage: Stage) -> None:
    """What is bad stays bad when it is replayed: the same dead letter again, and neighbours are unharmed."""
    await stage.system()
    await stage.inputs.publish(40)
    for number in range(20):
        await stage.inputs.publish_value(b"{" + str(number).encode(), reason="not_json")
    await stage.settled()
    assert await replay(stage, "--reason", "not_json") == (0, 20, 20, 0, 0)
    assert len(await replayed(stage, cured=False)) == 20
    await stage.sightings.until(lambda: len(stage.sightings.letters) == 40)
    await stage.settled()
    assert set(Counter(letter.dead_letter_id for letter in stage.sightings.letters).values()) == {2}


async def _failures(stage: Stage) -> list[Input]:
    """Records that fail for now: each request of theirs is answered well the next time, or its framework comes."""
    publish = stage.inputs.publish
    failed = await publish(6, "[[invalid-jsonx2]]", reason="invalid_output")
    failed += await publish(6, "[[fail:400x1]]", reason="provider_refused")
    # Within 5 s there are three attempts of 2 s.
    failed += await publish(6, "[[hangx3]]", reason="deadline_exceeded")
    failed += await publish(8, framework_id=f"{stage.group}-late", reason="unknown_framework")
    return failed
