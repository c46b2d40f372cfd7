"""Codings that share calls, through the delivery: who is with whom, what is published when, and who is left alone."""

import asyncio
import json
import re

import pytest

from domain.delivery.steps import InvocationSteps
from domain.errors import ProviderRefusedError, ProviderUnusableError
from tests.builders import FRAMEWORK, TENANT, a_framework, a_prompt, a_record, an_invocation
from tests.fakes import CODED, USUAL_ANSWERS, until
from tests.unit.domain.delivery.setup import CODES, Setup, finishes_with

ENVELOPE = re.compile(r'<feedback_record number="(\d+)" check="(\w+)">\n(.*?)\n</feedback_record>', re.DOTALL)
HOUR = 3600.0


def batched(prompt):
    return prompt.version == "assign_codes.batch.v1"


def truly(prompt):
    """A true answer; each record's reason is its own content."""
    if not batched(prompt):
        return USUAL_ANSWERS[prompt.operation]
    entries = [
        {"record": int(number), "check": check, "codes": [{"id": "2", "confidence": [0.9], "reason": content}]}
        for number, check, content in ENVELOPE.findall(prompt.user)
    ]
    return json.dumps({"records": entries})


class Batching(Setup):
    """A delivery with batches of 3 that wait for ever unless a test says otherwise."""

    def __init__(self, *frameworks, saying=truly, **settings):
        super().__init__(*frameworks, **{"coding_batch": 3, "coding_batch_wait_seconds": HOUR} | settings)
        self.model.script = lambda prompt, attempt: saying(prompt)

    async def code(self, *contents, **fields):
        await asyncio.gather(*(self.handle(a_coding(content, **fields)) for content in contents))

    def asked(self):
        """How many records each call was about, in order; 0 for a call about one alone."""
        return [len(ENVELOPE.findall(prompt.user)) for prompt, _ in self.model.asked]

    def results(self):
        return {result["record_id"]: result for result in self.publisher.on(CODES)}

    def reasons(self):
        return {name: result["codes"][0]["reason"] for name, result in self.results().items()}


def a_coding(content, **fields):
    return a_record(**{"record_id": content, "content": content, "operations": ["assign_codes"]} | fields)


async def test_records_that_are_ready_together_share_a_call_and_its_invocation():
    setup = Batching()

    await setup.code("a", "b", "c")

    assert setup.asked() == [3]
    assert setup.reasons() == {"a": "a", "b": "b", "c": "c"}
    (_, attempt), results = setup.model.asked[0], setup.results().values()
    invocation = attempt.invocation
    assert {result["invocation_id"] for result in results} == {str(invocation.invocation_id)}
    assert {result["prompt_version"] for result in results} == {"assign_codes.batch.v1"}
    assert len({result["result_id"] for result in results}) == 3
    assert (invocation.tenant_id, invocation.operation) == (TENANT, "assign_codes")
    assert (invocation.record_id, invocation.request_id) == (None, None)


async def test_without_the_setting_each_record_has_its_own_call():
    setup = Batching(coding_batch=1)

    await setup.code("a", "b", "c")

    assert setup.asked() == [0, 0, 0]
    assert {attempt.invocation.record_id for _, attempt in setup.model.asked} == {"a", "b", "c"}


async def test_a_record_that_nobody_joins_is_coded_alone_after_the_wait():
    setup = Batching(coding_batch_wait_seconds=0.001)

    await setup.code("a")

    assert setup.asked() == [0]
    assert setup.model.asked[0][1].invocation.record_id == "a"


async def test_after_the_wait_those_who_are_there_are_enough():
    setup = Batching(coding_batch_wait_seconds=0.02)

    await setup.code("a", "b")

    assert setup.asked() == [2]


@pytest.mark.parametrize(
    "fields", [{"tenant_id": "other"}, {"framework_id": "other"}, {"max_codes": 7}, {"output_language": "French"}]
)
async def test_records_of_another_tenant_framework_or_wish_are_in_another_call(fields):
    tenant, name = fields.get("tenant_id", TENANT), fields.get("framework_id", FRAMEWORK)
    setup = Batching(a_framework(), a_framework(tenant_id=tenant, framework_id=name))

    await asyncio.gather(setup.code("a", "b", "c"), setup.code("d", "e", "f", **fields))

    assert setup.asked() == [3, 3]
    together = [{content for _, _, content in ENVELOPE.findall(prompt.user)} for prompt, _ in setup.model.asked]
    assert sorted(map(sorted, together)) == [["a", "b", "c"], ["d", "e", "f"]]
    assert {a.invocation.tenant_id for _, a in setup.model.asked} == {TENANT, tenant}


async def test_a_new_version_of_the_framework_is_in_another_call():
    setup = Batching()
    before = asyncio.create_task(setup.code("a", "b"))
    await until(lambda: setup.delivery._inputs._codings._batches._open)
    setup.catalogue.publish(a_framework(version="2"))

    await setup.code("d", "e", "f")
    await setup.code("g", "h", "i")
    before.cancel()
    await finishes_with(before)

    assert setup.asked() == [3, 3]
    assert {result["framework_version"] for result in setup.results().values()} == {"2"}


async def test_the_confidence_threshold_is_each_records_own():
    setup = Batching()

    await asyncio.gather(setup.code("a", "b"), setup.code("c", confidence_threshold=0.95))

    assert setup.asked() == [3]
    found = setup.results()
    assert [len(found[name]["codes"]) for name in "abc"] == [1, 1, 0]
    assert "threshold" in found["c"]["abstained_because"]


async def test_long_records_are_coded_alone():
    setup = Batching()

    await asyncio.gather(setup.code("a", "b", "c"), setup.code("x" * 4001, record_id="d"))

    assert sorted(setup.asked()) == [0, 3]


async def test_records_whose_numbers_are_swapped_are_asked_for_again_alone():
    def swapping(prompt):
        answer = json.loads(truly(prompt))
        if batched(prompt):
            first, second, _ = answer["records"]
            first["record"], second["record"] = second["record"], first["record"]
        return json.dumps(answer)

    setup = Batching(saying=swapping)

    await setup.code("a", "b", "c")

    assert sorted(setup.asked()) == [0, 0, 3]
    own = {attempt.invocation.record_id: attempt.invocation for _, attempt in setup.model.asked}
    assert set(own) == {None, "a", "b"}
    found = setup.results()
    assert {name: result["invocation_id"] for name, result in found.items()} == {
        "a": str(own["a"].invocation_id),
        "b": str(own["b"].invocation_id),
        "c": str(own[None].invocation_id),
    }
    assert found["a"]["prompt_version"] == "assign_codes.v2"
    assert setup.reasons()["c"] == "c"


@pytest.mark.parametrize("said", [ProviderRefusedError("No.", http_status=400), "no JSON", CODED, ZeroDivisionError()])
async def test_a_call_that_fails_leaves_each_record_to_itself(said):
    def failing(prompt):
        if not batched(prompt):
            return CODED
        if isinstance(said, BaseException):
            raise said
        return said

    setup = Batching(saying=failing)

    await setup.code("a", "b", "c")

    assert set(setup.results()) == {"a", "b", "c"}
    alone = [attempt for prompt, attempt in setup.model.asked if not batched(prompt)]
    assert sorted(attempt.invocation.record_id for attempt in alone) == ["a", "b", "c"]
    assert not setup.publisher.dead_letters()


async def test_what_stops_the_worker_stops_all_of_a_batch():
    setup = Batching()
    refused = ProviderUnusableError("A wrong key.")

    def refusing(prompt):
        raise refused

    setup.model.script = lambda prompt, attempt: refusing(prompt)

    ends = await asyncio.gather(*(finishes_with(setup.code(name)) for name in "abc"))

    assert ends == [refused] * 3
    assert setup.publisher.counts() == {}


async def test_a_result_is_published_after_the_events_of_the_calls_behind_it():
    setup = Batching()
    receipts = []

    def receipt():
        receipts.append(asyncio.get_running_loop().create_future())
        return receipts[-1]

    setup.model.receipts = receipt
    task = asyncio.create_task(setup.code("a", "b", "c"))
    await until(lambda: receipts and not setup.model.running)
    for _ in range(50):
        await asyncio.sleep(0)
    assert setup.publisher.counts() == {}, "the event of the call is not acknowledged yet"

    receipts[0].set_result(None)
    await task

    assert setup.publisher.counts() == {CODES: 3}


async def test_a_dead_letter_counts_the_calls_that_were_made_jointly_and_waits_for_their_events():
    setup = Batching(saying=lambda prompt: "no JSON")

    await setup.code("a", "b", "c")

    letters = setup.publisher.dead_letters()
    assert [(letter.reason, letter.attempts) for letter in letters] == [("invalid_output", 4)] * 3
    assert setup.asked() == [3, 3, 0, 0, 0, 0, 0, 0]


async def test_whoever_goes_away_leaves_the_others_to_go_on_and_the_last_one_ends_the_call():
    setup = Batching()
    hold = asyncio.Event()

    async def held(prompt):
        await hold.wait()
        return truly(prompt)

    setup.model.script = lambda prompt, attempt: held(prompt)
    tasks = [asyncio.create_task(setup.code(name)) for name in "abc"]
    await until(lambda: setup.model.running)
    tasks[0].cancel()
    await finishes_with(tasks[0])
    assert setup.model.running == 1
    hold.set()
    await asyncio.gather(*tasks[1:])
    assert set(setup.results()) == {"b", "c"}

    hold.clear()
    tasks = [asyncio.create_task(setup.code(name)) for name in "def"]
    await until(lambda: setup.model.running)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert setup.model.running == 0, "nobody is left who would pay for the answer"


async def test_one_who_goes_away_before_the_call_is_not_part_of_it():
    setup = Batching()
    early = asyncio.create_task(setup.code("a"))
    await until(lambda: setup.delivery._inputs._codings._batches._open)
    other = asyncio.create_task(setup.code("b"))
    for _ in range(50):
        await asyncio.sleep(0)
    early.cancel()
    await finishes_with(early)

    await asyncio.gather(other, setup.code("c", "d"))

    assert setup.asked() == [3]
    assert setup.reasons() == {"b": "b", "c": "c", "d": "d"}


async def test_what_was_asked_jointly_takes_its_time_calls_and_events_from_each_that_shares_it():
    setup = Batching()
    setup.model.script = lambda prompt, attempt: setup.clock.advance(30) or "an answer"
    asking = setup.delivery._answering._asking
    first, second = (InvocationSteps(asking, an_invocation(deadline_seconds=100.0), "trace") for _ in range(2))

    joint = first.joint()
    assert joint.remaining_seconds() == 50.0, "half of the time, so that each can still be asked for alone"
    await joint.ask(a_prompt(), str)
    await second.ask(a_prompt(), str)
    second.share(joint)

    assert joint.invocation_id not in (first.invocation_id, second.invocation_id)
    assert second.remaining_seconds() == 40.0, "since the joint call began"
    assert (second.attempts, len(second.receipts)) == (2, 2)
    assert first.remaining_seconds() == 100.0, "its own time begins with what it asks, or shares"
