"""The engine over a delivery whose requests come in parts: what is held back, and that it does not stay so."""

import asyncio
from types import SimpleNamespace

import pytest

from domain.delivery.parts import PartsSettings
from streams.in_order import InOrder
from streams.lease import Lease
from streams.status import WorkerStatus
from tests.builders import a_record, an_analysis_request
from tests.fakes import until
from tests.unit.domain.delivery.setup import Setup, turns
from tests.unit.streams.support import Source

ANALYSES, REQUESTS, RECORDS = "feedback.analyses", "feedback.requests", "feedback.records"


def a_part(number, of=2, request_id="request-1"):
    records = [{"record_id": f"p{number}", "content": "The tap is dry."}]
    return an_analysis_request(records=records, part={"number": number, "of": of}, request_id=request_id)


class Rig:
    """An engine over a delivery among fakes; `answer` lets the model answer an operation."""

    def __init__(self, window, **settings):
        self.setup = Setup(**settings)
        self.clock, self.publisher = self.setup.clock, self.setup.publisher
        self.answered = {}
        usual = self.setup.model.script

        async def script(prompt, attempt):
            if prompt.operation in self.answered:
                await self.answered[prompt.operation].wait()
            return usual(prompt, attempt)

        self.setup.model.script = script
        self.source = Source()
        self.engine = InOrder(self.setup.delivery, window, lambda: 1, WorkerStatus(), Lease(60))
        self.consuming = asyncio.create_task(self.engine.consume(self.source))
        self.offsets = {REQUESTS: 0, RECORDS: 0}

    def put(self, event, topic=REQUESTS):
        offset = self.offsets[topic]
        self.offsets[topic] += 1
        self.source.put(
            SimpleNamespace(
                topic=topic, partition=0, offset=offset, timestamp=None, key=b"k", value=event.to_bytes(), headers=[],
                generation_id=1,
            )
        )  # fmt: skip

    def hold_answers(self, operation):
        self.answered[operation] = asyncio.Event()

    @property
    def reasons(self):
        return [letter.reason for letter in self.publisher.dead_letters()]


@pytest.fixture
async def rig():
    rigs = []

    def make(*args, **settings):
        rigs.append(Rig(*args, **settings))
        return rigs[-1]

    yield make
    for made in rigs:
        made.consuming.cancel()
        await made.engine.settle(0)


async def test_no_part_is_given_up_while_the_window_is_full_of_what_is_at_work(rig):
    it = rig(2, parts=PartsSettings(wait_seconds=0.0, grace_seconds=0.05))
    it.hold_answers("summarize")
    it.put(a_part(1))
    it.put(a_record(operations=["summarize"]), RECORDS)
    it.put(a_part(2))
    await turns()
    assert len(it.source.messages) == 1
    it.clock.advance(1_000.0)
    it.put(a_record(), RECORDS)
    await asyncio.wait({it.consuming}, timeout=0.1)
    assert it.reasons == []
    it.answered["summarize"].set()
    await until(lambda: it.publisher.on(ANALYSES))
    assert it.reasons == []


async def test_a_window_full_of_nothing_but_waiting_parts_does_not_stay_so(rig):
    it = rig(2, parts=PartsSettings(wait_seconds=0.0, grace_seconds=0.05))
    for number in (1, 2, 3):
        it.put(a_part(number, 4))
    await turns()
    assert len(it.source.messages) == 1
    it.clock.advance(6.0)
    await asyncio.wait(tuple(it.engine._tasks), timeout=10)
    assert it.reasons[:2] == ["incomplete_request"] * 2
    await until(lambda: not it.source.messages)


async def test_with_memory_full_reading_waits_for_a_complete_request_and_no_request_is_refused(rig):
    size = len(a_part(1).to_bytes())
    it = rig(100, parts=PartsSettings(max_bytes=2 * size))
    it.hold_answers("analyze")
    requests = [f"request-{number}" for number in range(1, 6)]
    for request_id in requests:
        for number in (1, 2):
            it.put(a_part(number, request_id=request_id))
    await turns()
    assert len(it.source.messages) == 8, "two parts are held, which are a request at work"
    assert it.engine.released == {}
    it.answered["analyze"].set()
    await until(lambda: len(it.publisher.on(ANALYSES)) == len(requests))
    assert it.reasons == []
    await until(lambda: it.engine.released == {("feedback.requests", 0): 10})
    assert it.setup.delivery._parts.bytes_held == 0


async def test_with_memory_full_and_no_request_complete_reading_goes_on_and_a_request_is_refused(rig):
    size = len(a_part(1).to_bytes())
    it = rig(100, parts=PartsSettings(max_bytes=2 * size), dead_letter_minimum=1, dead_letter_window=2)
    for number in range(1, 5):
        it.put(a_part(1, request_id=f"request-{number}"))
    it.put(a_part(2, request_id="request-1"))
    await until(lambda: it.publisher.on(ANALYSES))
    assert it.reasons == ["too_large"] * 2
    await turns()
    assert not it.engine.failed.done(), "that load is no sign of a fault"


async def test_memory_holds_nobody_while_the_provider_is_down(rig):
    """Who is at work may be poison, and in the outage its time stands: it ends only when another one is answered."""
    size = len(a_part(1).to_bytes())
    it = rig(100, parts=PartsSettings(max_bytes=2 * size))
    it.hold_answers("analyze")
    it.put(a_part(1))
    it.put(a_part(2))
    await turns()
    it.put(a_record(operations=["summarize"]), RECORDS)
    await turns()
    assert len(it.source.messages) == 1
    it.setup.breaker._open = True
    it.setup.breaker._tell()
    await turns()
    assert not it.source.messages
    it.setup.breaker._open = False
