"""The ledger counts each outcome once, and only the job's own."""

from itertools import permutations
from uuid import uuid4

from runtime.job.ledger import Ledger, Seen, dead_letter_of_call
from runtime.job.records_file import FileRecord
from schemas.cloudevents import deterministic_id, identify
from schemas.operations import RecordOperation

BOTH = (RecordOperation.ASSIGN_CODES, RecordOperation.SUMMARIZE)


def a_ledger(count: int = 1) -> tuple[Ledger, list[str], list[str]]:
    ledger = Ledger("run")
    records = [FileRecord(line, "same-id", "t", BOTH, {}) for line in range(1, count + 1)]
    traces = [ledger.expect(record, "test") for record in records]
    events = [
        identify("x", None, None, [("ce_source", b"test"), ("ce_id", ledger.event_id(record).encode())]).event_id
        for record in records
    ]
    return ledger, events, traces


def test_a_record_has_its_outcome_when_every_operation_has_one():
    ledger, (event,), _ = a_ledger()
    assert ledger.result(deterministic_id(event, "assign_codes")) is Seen.NEW
    assert ledger.outcomes == 0
    assert ledger.dead_letter(deterministic_id(event, "dead_letter", "summarize")) is Seen.NEW
    assert (ledger.outcomes, ledger.coded, ledger.summarised, ledger.dead_letters) == (1, 1, 0, 1)


def test_a_dead_letter_for_the_whole_input_is_an_outcome():
    ledger, (event,), _ = a_ledger()
    ledger.dead_letter(deterministic_id(event, "dead_letter", ""))
    assert ledger.outcomes == 1


def test_repeats_and_other_peoples_results_do_not_count():
    ledger, (event, other), _ = a_ledger(2)
    result = deterministic_id(event, "summarize")
    assert [ledger.result(result), ledger.result(result), ledger.result(uuid4())] == [
        Seen.NEW,
        Seen.REPEAT,
        Seen.FOREIGN,
    ]
    assert ledger.summarised == 1
    assert event != other


def test_calls_are_known_by_their_trace():
    ledger, _, (trace,) = a_ledger()
    call = uuid4()
    assert ledger.llm_call(call, "f" * 32) is Seen.FOREIGN
    assert ledger.llm_call(call, None) is Seen.FOREIGN
    assert ledger.llm_call(call, trace) is Seen.NEW
    assert ledger.llm_call(call, trace) is Seen.REPEAT
    assert ledger.calls == {call}


def test_a_call_that_the_database_refused_is_known_before_or_after_the_call_itself():
    ledger, _, (trace,) = a_ledger()
    early, late, foreign = uuid4(), uuid4(), uuid4()
    assert ledger.refused_call(dead_letter_of_call(early)) is Seen.FOREIGN
    ledger.llm_call(early, trace)
    ledger.llm_call(late, trace)
    assert ledger.refused_call(dead_letter_of_call(late)) is Seen.NEW
    assert ledger.refused_call(dead_letter_of_call(late)) is Seen.REPEAT
    assert ledger.refused_call(dead_letter_of_call(foreign)) is Seen.FOREIGN
    assert ledger.calls == ledger.refused == {early, late}


def test_a_result_counts_over_a_dead_letter_whichever_comes_first():
    counted = set()
    for order in permutations(["result", "letter", "letter of all"]):
        ledger, (event,), _ = a_ledger()
        ids = {
            "result": deterministic_id(event, "summarize"),
            "letter": deterministic_id(event, "dead_letter", "summarize"),
            "letter of all": deterministic_id(event, "dead_letter", ""),
        }
        for came in order:
            (ledger.result if came == "result" else ledger.dead_letter)(ids[came])
        counted.add((ledger.outcomes, ledger.summarised, ledger.coded, ledger.dead_letters))
    assert counted == {(1, 1, 0, 1)}  # the letter of all stands for the coding alone


def test_a_dead_letter_that_was_answered_counts_no_longer():
    ledger, (event,), _ = a_ledger()
    assert ledger.dead_letter(deterministic_id(event, "dead_letter", "")) is Seen.NEW
    assert ledger.result(deterministic_id(event, "summarize")) is Seen.NEW
    assert (ledger.outcomes, ledger.dead_letters) == (1, 1)
    assert ledger.result(deterministic_id(event, "assign_codes")) is Seen.NEW
    assert ledger.dead_letter(deterministic_id(event, "dead_letter", "assign_codes")) is Seen.REPEAT
    assert ledger.result(deterministic_id(event, "assign_codes")) is Seen.REPEAT
    assert (ledger.outcomes, ledger.coded, ledger.summarised, ledger.dead_letters) == (1, 1, 1, 0)
