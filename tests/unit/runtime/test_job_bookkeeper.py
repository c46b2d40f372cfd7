"""What a job makes of what stands on the output topics, well-formed or not."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from domain.delivery.dead_letters import DeadLetters, Failure
from domain.delivery.messages import InboundMessage
from domain.errors import NotStorableError, TooLargeError
from domain.ports import OutboundMessage
from runtime.job.bookkeeper import Bookkeeper
from runtime.job.ledger import Ledger
from runtime.job.records_file import FileRecord
from runtime.job.report import Findings
from schemas.cloudevents import deterministic_id, headers_for, identify
from schemas.dead_letters import DeadLetter
from schemas.llm_calls import LLMCall
from schemas.operations import RecordOperation
from schemas.topics import CODE_ASSIGNMENTS, DEAD_LETTERS, LLM_CALLS, RECORDS, SUMMARIES
from tests.usage_support import llm_call


class Scene:
    """A job of one record, and what it is told."""

    def __init__(self) -> None:
        self.ledger = Ledger("run")
        record = FileRecord(1, "r", "t", (RecordOperation.SUMMARIZE,), {})
        self.trace = self.ledger.expect(record, "test")
        self.told: list[bytes] = []
        self.bookkeeper = Bookkeeper(self.ledger, lambda _topic, value, _line: self.told.append(value))

    def see(self, event: LLMCall | DeadLetter) -> None:
        topic = LLM_CALLS if isinstance(event, LLMCall) else DEAD_LETTERS
        self.bookkeeper.enter(topic.name, event.to_bytes())


@pytest.fixture
def scene() -> Scene:
    return Scene()


class Narrow:
    """A publisher that takes messages of so many bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.letters: list[DeadLetter] = []

    async def publish(self, message: OutboundMessage) -> None:
        if len(message.value or b"") > self.limit:
            raise TooLargeError("too large")
        self.letters.append(DeadLetter.model_validate_json(message.value or b""))


async def buried(call: LLMCall, limit: int = 1_000_000) -> DeadLetter:
    """The call's dead letter as the consumer writes it."""
    headers = headers_for(call, str(call.call_id), call.trace_id or "0" * 32)
    message = InboundMessage(LLM_CALLS.name, 0, 7, datetime.now(UTC), b"key", call.to_bytes(), headers)
    publisher = Narrow(limit)
    await DeadLetters(publisher).publish(message, Failure.of(NotStorableError("The database refuses a value.")))
    return publisher.letters[0]


@pytest.mark.parametrize("shape", ["whole", "without its bytes", "with damaged bytes"])
async def test_a_call_with_a_dead_letter_is_not_waited_for(scene, shape):
    call = llm_call(trace_id=scene.trace)
    letter = await buried(call, 1_000 if shape == "without its bytes" else 1_000_000)
    assert (letter.value_base64 is None) == (shape == "without its bytes")
    if shape == "with damaged bytes":
        letter = letter.model_copy(update={"value_base64": "a"})
    scene.see(call)
    scene.see(letter)
    assert scene.ledger.refused == {call.call_id}


async def test_what_others_wrote_wrongly_is_not_ours_to_judge(scene):
    for value in (b"", b"{", b"[]", b'{"dead_letter_id": 1}', b"\xff"):
        scene.bookkeeper.enter(DEAD_LETTERS.name, value)
        scene.bookkeeper.enter(LLM_CALLS.name, value)
    scene.see(await buried(llm_call(call_id=uuid4(), trace_id="f" * 32)))
    assert (scene.told, scene.ledger.calls, scene.ledger.refused) == ([], set(), set())


def test_the_calls_of_a_judge_of_the_jobs_results_are_not_the_jobs(scene):
    own, judged = (llm_call(trace_id=scene.trace, operation=operation) for operation in ("summarize", "judge"))
    scene.see(own)
    scene.see(judged)
    assert scene.ledger.calls == {own.call_id}


@pytest.mark.parametrize("version", ["mine", "theirs"])
def test_a_coding_with_another_version_than_the_jobs_own_is_counted(version):
    ledger = Ledger("run")
    ledger.versions = {("acme", "f"): "mine"}
    record = FileRecord(1, "r", "acme", (RecordOperation.ASSIGN_CODES,), {})
    ledger.expect(record, "test")
    headers = (("ce_source", b"test"), ("ce_id", ledger.event_id(record).encode()))
    result_id = deterministic_id(identify(RECORDS.name, None, None, headers).event_id, "assign_codes")
    example = json.loads(Path("schemas/examples/CodesAssigned.json").read_text())
    example |= {"result_id": str(result_id), "tenant_id": "acme", "framework_id": "f", "framework_version": version}
    bookkeeper = Bookkeeper(ledger, lambda _topic, _value, _line: None)
    for _ in range(2):
        bookkeeper.enter(CODE_ASSIGNMENTS.name, json.dumps(example).encode())
    assert (ledger.coded, ledger.outcomes) == (1, 1)
    assert dict(ledger.miscoded) == ({} if version == "mine" else {("acme", "f", "theirs"): 1})


def test_an_outcome_that_cannot_be_kept_is_none(scene):
    def full(*_: object) -> None:
        raise OSError("full")

    headers = (("ce_source", b"test"), ("ce_id", b"run-1"))
    result_id = deterministic_id(identify(RECORDS.name, None, None, headers).event_id, "summarize")
    example = json.loads(Path("schemas/examples/RecordSummarized.json").read_text()) | {"result_id": str(result_id)}
    with pytest.raises(OSError, match="full"):
        Bookkeeper(scene.ledger, full).enter(SUMMARIES.name, json.dumps(example).encode())
    assert scene.ledger.outcomes == 0


@pytest.mark.parametrize("first", ["result", "letter"])
def test_a_result_is_kept_also_after_its_dead_letter_and_the_table_counts_it_alone(scene, first):
    headers = (("ce_source", b"test"), ("ce_id", b"run-1"))
    event_id = identify(RECORDS.name, None, None, headers).event_id
    letter = json.loads(Path("schemas/examples/DeadLetter.json").read_text()) | {"operation": "summarize"}
    letter["dead_letter_id"] = str(deterministic_id(event_id, "dead_letter", "summarize"))
    result = json.loads(Path("schemas/examples/RecordSummarized.json").read_text())
    result["result_id"] = str(deterministic_id(event_id, "summarize"))
    events = [(SUMMARIES.name, result), (DEAD_LETTERS.name, letter)]
    record = FileRecord(1, "r", "t", (RecordOperation.SUMMARIZE,), {"content": "c"})
    findings = Findings([record], 1)
    kept = []

    def keep(topic, value, line):
        kept.append(topic)
        findings.keep(topic, value, line)

    bookkeeper = Bookkeeper(scene.ledger, keep)
    for topic, event in events if first == "result" else reversed(events):
        bookkeeper.enter(topic, json.dumps(event).encode())
    assert kept == ([SUMMARIES.name] if first == "result" else [DEAD_LETTERS.name, SUMMARIES.name])
    assert (scene.ledger.summarised, scene.ledger.dead_letters, scene.ledger.settled) == (1, 0, 1)
    assert findings.dead_letters == {}
