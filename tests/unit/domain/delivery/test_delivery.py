"""One input's whole way: every requested operation ends as a result or as a dead letter, and nothing is left open."""

import asyncio
import base64
import json
import logging
from uuid import UUID

import pytest

from domain.errors import (
    ProviderMisconfiguredError,
    ProviderRefusedError,
    ProviderUnusableError,
    TooLargeError,
)
from domain.ports import OutboundMessage
from tests.builders import a_framework, a_message, a_record, a_summary_request, an_analysis_request
from tests.fakes import USUAL_ANSWERS
from tests.unit.domain.delivery.setup import CODES, DEAD, SUMMARIES, Setup, headers_of

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_a_record_is_coded_and_summarised():
    setup = Setup()
    await setup.handle(a_record(), headers=(("traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode()),))

    (coding,), (summary,) = setup.publisher.on(CODES), setup.publisher.on(SUMMARIES)
    assert coding["codes"][0]["code_id"] == "dry-water-point"
    assert summary["title"] == "Water point is dry"
    assert (coding["model"], coding["prompt_version"]) == ("scripted-model-2026", "assign_codes.v2")
    assert coding["invocation_id"] != summary["invocation_id"]
    assert setup.publisher.counts() == {CODES: 1, SUMMARIES: 1}
    for message in setup.publisher.acknowledged:
        assert message.key == b"record-1"
        assert headers_of(message)["ce_id"] == json.loads(message.value)["result_id"]
        assert TRACE in headers_of(message)["traceparent"]
    invocations = {attempt.invocation.operation: attempt.invocation for _, attempt in setup.model.asked}
    assert set(invocations) == {"assign_codes", "summarize"}
    assert {(i.tenant_id, i.record_id, i.request_id, i.trace_id) for i in invocations.values()} == {
        ("red-hill", "record-1", None, TRACE)
    }
    assert str(invocations["summarize"].invocation_id) == summary["invocation_id"]


async def test_the_operations_of_a_record_run_at_the_same_time():
    setup = Setup()
    both = asyncio.Barrier(2)

    async def meet(prompt):
        await asyncio.wait_for(both.wait(), 5)
        return USUAL_ANSWERS[prompt.operation]

    setup.model.script = lambda prompt, attempt: meet(prompt)
    await setup.handle(a_record())
    assert setup.publisher.counts() == {CODES: 1, SUMMARIES: 1}


async def test_a_repeat_has_the_same_result_ids_and_another_invocation():
    setup = Setup()
    message = a_message(a_record(), headers=(("ce_id", b"1"), ("ce_source", b"crm")))
    await setup.delivery.handle(message)
    await setup.delivery.handle(message)

    first, second = setup.publisher.on(SUMMARIES)
    assert first["result_id"] == second["result_id"]
    assert first["invocation_id"] != second["invocation_id"]
    other = a_message(a_record(), headers=(("ce_id", b"2"), ("ce_source", b"crm")))
    await setup.delivery.handle(other)
    assert setup.publisher.on(SUMMARIES)[2]["result_id"] != first["result_id"]


async def test_an_analysis_is_answered():
    setup = Setup()
    await setup.handle(an_analysis_request(), topic="feedback.requests")
    (analysis,) = setup.publisher.on("feedback.analyses")
    assert (analysis["request_id"], analysis["records_used"]) == ("request-1", 2)
    assert setup.model.asked[0][1].invocation.request_id == "request-1"
    assert setup.publisher.acknowledged[0].key == b"request-1"


async def test_an_unreadable_input_is_a_dead_letter_with_all_its_bytes():
    setup = Setup()
    value = b'{"tenant_id": "red-hill", "content": 7, \xff'
    headers = (("h", b"\x00"), ("h", None))
    await setup.delivery.handle(a_message(value, key=b"\xfe", partition=3, offset=42, headers=headers))

    (letter,) = setup.publisher.dead_letters()
    assert (letter.reason, letter.error_class, letter.operation, letter.attempts) == (
        "not_json",
        "NotJSONError",
        None,
        0,
    )
    assert (letter.source.topic, letter.source.partition, letter.source.offset) == ("feedback.records", 3, 42)
    assert base64.b64decode(letter.value_base64 or "") == value
    assert base64.b64decode(letter.key_base64 or "") == b"\xfe"
    assert [(h.key, h.value_base64) for h in letter.headers] == [("h", "AA=="), ("h", None)]
    assert setup.publisher.acknowledged[0].key == b"\xfe"
    assert setup.model.asked == []


async def test_the_ids_of_an_invalid_record_are_salvaged_and_a_null_stays_null():
    setup = Setup()
    await setup.delivery.handle(a_message({"tenant_id": "red-hill", "record_id": "r-7", "content": 7}))
    await setup.delivery.handle(a_message(None, key=None))

    invalid, null = setup.publisher.dead_letters()
    assert (invalid.tenant_id, invalid.record_id, invalid.reason) == ("red-hill", "r-7", "wrong_schema")
    assert (null.record_id, null.request_id) == (None, None)
    assert (null.tenant_id, null.reason, null.key_base64, null.value_base64) == (None, "empty_payload", None, None)


async def test_a_dead_letter_names_the_record_or_the_request_that_it_is_about():
    setup = Setup(saying={name: ProviderRefusedError("No.") for name in ("assign_codes", "summarize", "analyze")})
    await setup.handle(a_record())
    await setup.handle(an_analysis_request(), topic="feedback.requests")

    *of_the_record, of_the_request = setup.publisher.dead_letters()
    assert {(letter.record_id, letter.request_id) for letter in of_the_record} == {(a_record().record_id, None)}
    assert (of_the_request.record_id, of_the_request.request_id) == (None, "request-1")


async def test_a_failed_operation_does_not_harm_the_other():
    setup = Setup(saying={"assign_codes": ProviderRefusedError("The provider refused the content.")})
    await setup.handle(a_record())

    (letter,) = setup.publisher.dead_letters()
    assert (letter.reason, letter.operation, letter.attempts, letter.tenant_id) == (
        "provider_refused",
        "assign_codes",
        1,
        "red-hill",
    )
    assert setup.publisher.counts() == {SUMMARIES: 1, DEAD: 1}


async def test_two_invalid_answers_are_a_dead_letter_of_two_attempts():
    setup = Setup(saying={"summarize": "no JSON"})
    await setup.handle(a_record(operations=["summarize"]))
    (letter,) = setup.publisher.dead_letters()
    assert (letter.reason, letter.operation, letter.attempts) == ("invalid_output", "summarize", 2)
    assert "no JSON" not in letter.message


async def test_both_operations_failing_are_two_dead_letters_with_ids_of_their_own():
    setup = Setup(saying={"summarize": "no", "assign_codes": "no"})
    message = a_message(a_record())
    await setup.delivery.handle(message)
    await setup.delivery.handle(message)
    ids = [letter.dead_letter_id for letter in setup.publisher.dead_letters()]
    assert len(ids) == 4
    assert len(set(ids)) == 2, "repeats carry the same ids"


async def test_a_dead_letter_has_the_id_that_the_result_would_have_had():
    setup = Setup(saying={"summarize": "no"})
    message = a_message(a_record(operations=["summarize"]))
    await setup.delivery.handle(message)
    setup.saying["summarize"] = USUAL_ANSWERS["summarize"]
    await setup.delivery.handle(message)
    await setup.handle(b"unreadable")

    of_summary, of_input = setup.publisher.dead_letters()
    assert str(of_summary.result_id) == setup.publisher.on(SUMMARIES)[0]["result_id"]
    assert of_input.result_id is None


@pytest.mark.parametrize("mode", ["single_pass", "hierarchical", "auto"])
async def test_requests_are_answered_in_every_mode(mode):
    themes = json.dumps({"title": "Dry taps", "themes": [{"title": "Dry", "summary": "Dry.", "records": [1]}]})
    merged = json.dumps({"title": "Dry taps", "themes": [{"title": "Dry", "summary": "Dry.", "parts": [1]}]})
    setup = Setup(saying={"summarize_aggregate": themes})
    setup.model.script = lambda prompt, attempt: merged if "merge" in prompt.version else setup.saying[prompt.operation]
    await setup.handle(a_summary_request(mode=mode), topic="feedback.requests")
    await setup.handle(an_analysis_request(mode=mode), topic="feedback.requests")
    assert not setup.publisher.dead_letters()
    [summary] = [one for one in setup.publisher.on(SUMMARIES) if "themes" in one]
    [analysis] = [one for one in setup.publisher.on("feedback.analyses") if "answer" in one]
    assert summary["themes"][0]["record_ids"] == ["a"]
    assert analysis["coverage"] == 1.0


async def test_a_result_that_kafka_refuses_for_its_size_is_a_dead_letter():
    setup = Setup()

    def refuse(message):
        if message.topic == SUMMARIES:
            raise TooLargeError("The message is larger than its topic takes.")

    setup.publisher.refuse = refuse
    await setup.handle(a_record())
    (letter,) = setup.publisher.dead_letters()
    assert (letter.reason, letter.operation, letter.attempts) == ("too_large", "summarize", 1)
    assert len(setup.publisher.on(CODES)) == 1


async def test_the_largest_input_that_kafka_takes_fits_into_its_dead_letter():
    setup = Setup()
    await setup.handle(b"x" * 1_048_576)
    (message,) = setup.publisher.acknowledged
    assert len(message.value or b"") < 2 * 1024 * 1024 - 100_000


async def test_a_dead_letter_that_fits_nowhere_goes_without_the_original():
    setup = Setup()

    def refuse(message: OutboundMessage):
        if len(message.value or b"") > 10_000:
            raise TooLargeError("The message is larger than its topic takes.")

    setup.publisher.refuse = refuse
    await setup.handle(b"x" * 10_000, headers=(("h", b"y" * 10_000),))
    (letter,) = setup.publisher.dead_letters()
    assert letter.reason == "not_json"
    assert letter.value_base64 is None
    assert "read it at its source" in letter.message


async def test_a_provider_that_refuses_everyone_stops_the_worker_without_dead_letters():
    setup = Setup(saying={name: ProviderMisconfiguredError("The key is refused.") for name in USUAL_ANSWERS})
    with pytest.raises(ProviderUnusableError, match="The key is refused"):
        await setup.handle(a_record())
    assert setup.publisher.acknowledged == []


async def test_two_records_with_one_id_are_two_inputs_unless_they_are_the_same_event():
    setup = Setup()
    for content in ("First.", "Second.", "First."):
        await setup.handle(a_record(content=content, operations=["summarize"]))
    ids = [UUID(payload["result_id"]) for payload in setup.publisher.on(SUMMARIES)]
    assert ids[0] == ids[2] != ids[1]


async def test_neither_logs_nor_dead_letters_hold_what_people_said(caplog):
    caplog.set_level(logging.DEBUG)
    secret = "Amina at 0790123456"
    setup = Setup(saying={"summarize": secret, "assign_codes": ZeroDivisionError(secret)})
    await setup.handle(a_record(content=secret))
    await setup.handle({"content": [secret], secret: 1})
    assert {letter.reason for letter in setup.publisher.dead_letters()} == {
        "invalid_output",
        "internal_error",
        "wrong_schema",
    }
    assert all(secret not in letter.message + letter.error_class for letter in setup.publisher.dead_letters())
    assert secret not in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_only_the_framework_that_was_published_is_used():
    framework = a_framework(version="7")
    setup = Setup(framework)
    await setup.handle(a_record(operations=["assign_codes"]))
    assert setup.publisher.on(CODES)[0]["framework_version"] == "7"
