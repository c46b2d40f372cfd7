"""Every attempt leaves exactly one LLM-call event, however it ends, and the event holds no text of anyone's."""

import asyncio
import gc
import weakref
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from adapters.llm.recording import Clocks, RecordingModel
from domain.errors import (
    BrokerUnavailableError,
    InvalidOutputError,
    LLMTimeoutError,
    ProviderRefusedError,
    RateLimitedError,
    TooLargeError,
)
from domain.llm.calls import Completion
from tests.unit.adapters.llm.recording_support import (
    PROMPT,
    SECRET,
    STARTED,
    Model,
    Publisher,
    answer,
    answering,
    attempt,
    ended,
    raising,
    refuse,
)


async def test_a_good_answer_is_parsed_and_recorded_with_everything_known() -> None:
    publisher, about = Publisher(), attempt()
    ticks = iter([10.0, 10.25])
    clocks = Clocks(wall=lambda: STARTED, monotonic=lambda: next(ticks))
    recorder = RecordingModel(answering(answer()), publisher, 5.0, clocks)

    given = await recorder.ask(PROMPT, about, lambda text: text.upper())
    await asyncio.gather(*about.invocation.receipts)

    assert given.value == SECRET.upper()
    assert given.completion == answer()
    (message,), (event,) = publisher.messages, publisher.events()
    assert event.model_dump(exclude={"call_id"}) == {
        "schema_version": 1,
        "tenant_id": "tenant-a",
        "operation": "summarize",
        "invocation_id": about.invocation.invocation_id,
        "invocation_started_at": STARTED,
        "timestamp": STARTED,
        "call_duration_ms": 250.0,
        "provider": "openai",
        "request_model": "openai/gpt-4o-mini",
        "model": "gpt-4o-mini-2024-07-18",
        "input_tokens": 100,
        "output_tokens": 20,
        "cache_read_input_tokens": 60,
        "reasoning_output_tokens": 5,
        "cost_usd": Decimal("0.000012"),
        "cost_source": "price_map",
        "status": "ok",
        "error_class": None,
        "attempt": 2,
        "http_status": 200,
        "prompt_version": "summarize.v1",
        "record_id": "r-1",
        "request_id": None,
        "trace_id": "a" * 32,
    }
    headers = dict(message.headers)
    assert message.topic == "llm.calls"
    assert message.key == str(about.invocation.invocation_id).encode()
    assert headers["ce_id"] == str(event.call_id).encode()
    assert headers["ce_type"] == b"llm.call.recorded"
    assert headers["traceparent"].split(b"-")[1] == b"a" * 32


@pytest.mark.parametrize(("told", "worked"), [(0.02, 0.02), (0.0, 0.0), (9.0, 4.0), (-1.0, 0.0)])
async def test_a_model_that_measures_itself_is_believed_within_its_attempt(told: float, worked: float) -> None:
    """What it does not count, a queue of its own say, came before: the timestamp moves on."""
    publisher, about = Publisher(), attempt()
    ticks = iter([10.0, 14.0])
    model = answering(replace(answer(), duration_seconds=told))

    await RecordingModel(model, publisher, 5.0, Clocks(lambda: STARTED, lambda: next(ticks))).ask(PROMPT, about, str)
    await asyncio.gather(*about.invocation.receipts)

    (event,) = publisher.events()
    assert event.call_duration_ms == pytest.approx(worked * 1000)
    assert event.timestamp == STARTED + timedelta(seconds=4.0 - worked)


@pytest.mark.parametrize(
    ("completion", "parse", "expected"),
    [
        (answer(None), str, InvalidOutputError),
        (answer(" \n"), str, InvalidOutputError),
        (answer(), refuse, InvalidOutputError),
        (answer(finish_reason="length"), refuse, InvalidOutputError),
        (answer(None, "content_filter"), str, ProviderRefusedError),
    ],
    ids=["no-text", "blank", "refused-by-the-parser", "cut-off", "content-filter"],
)
async def test_a_useless_answer_is_an_error_with_its_tokens_and_cost(completion, parse, expected) -> None:
    event = await ended(answering(completion), expected, parse)
    assert event.error_class == expected.__name__
    assert (event.input_tokens, event.output_tokens, event.cost_usd) == (100, 20, Decimal("0.000012"))
    assert event.http_status == 200


async def test_an_answer_that_was_cut_off_says_so_in_the_complaint() -> None:
    recorder = RecordingModel(answering(answer(finish_reason="length")), Publisher(), 5.0)
    with pytest.raises(InvalidOutputError, match="cut off after 100 tokens"):
        await recorder.ask(PROMPT, attempt(), refuse)


async def test_a_failed_attempt_has_no_tokens_and_an_unknown_cost() -> None:
    event = await ended(raising(RateLimitedError("Slow down.", http_status=429, retry_after=1.0)), RateLimitedError)
    assert (event.error_class, event.http_status) == ("RateLimitedError", 429)
    assert (event.input_tokens, event.cost_usd, event.cost_source, event.model) == (None, None, "no_answer", None)


async def test_an_unknown_exception_passes_and_leaves_its_class_only() -> None:
    event = await ended(raising(ZeroDivisionError(SECRET)), ZeroDivisionError)
    assert event.error_class == "ZeroDivisionError"


async def test_an_attempt_is_bounded_in_time() -> None:
    event = await ended(Model(lambda: asyncio.sleep(60, answer())), LLMTimeoutError, seconds=0.02)
    assert event.error_class == "LLMTimeoutError"
    assert event.call_duration_ms >= 20


async def test_nothing_of_a_failed_attempt_is_kept_until_the_garbage_is_collected() -> None:
    """An error holds its frames, and these the whole of an answer."""
    raised: list[weakref.ref[InvalidOutputError]] = []

    async def act() -> Completion:
        error = InvalidOutputError("The answer is too long.")
        raised.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    gc.disable()
    try:
        await ended(Model(act), InvalidOutputError)
        assert raised[0]() is None
    finally:
        gc.enable()


async def test_a_library_that_hides_the_timeout_does_not_fool_the_recorder() -> None:
    async def act() -> Completion:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise RateLimitedError("Something else.") from None
        return answer()

    await ended(Model(act), LLMTimeoutError, seconds=0.02)


async def test_a_timeout_of_the_librarys_own_is_a_timeout_too() -> None:
    await ended(raising(TimeoutError()), LLMTimeoutError)


async def test_a_cancelled_attempt_is_recorded_and_its_event_sent_all_the_same() -> None:
    publisher, about, begun = Publisher(), attempt(), asyncio.Event()
    publisher.gate.clear()

    async def act() -> Completion:
        begun.set()
        await asyncio.sleep(60)
        return answer()

    recorder = RecordingModel(Model(act), publisher, 5.0)
    asking = asyncio.create_task(recorder.ask(PROMPT, about, str))
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert len(about.invocation.receipts) == 1
    assert publisher.messages == []
    publisher.gate.set()
    await recorder.aclose()
    (event,) = publisher.events()
    assert (event.status, event.error_class) == ("error", "CancelledError")


async def test_an_event_without_acknowledgement_shows_in_the_receipt_not_in_the_answer(caplog) -> None:
    publisher, about = Publisher(), attempt()
    publisher.broken = BrokerUnavailableError("Kafka is gone.")
    recorder = RecordingModel(answering(answer()), publisher, 5.0)
    await recorder.ask(PROMPT, about, str)
    await recorder.aclose()
    with pytest.raises(BrokerUnavailableError):
        await about.invocation.receipts[0]
    assert "BrokerUnavailableError" in caplog.text
    assert SECRET not in caplog.text


async def test_closing_does_not_wait_for_a_broker_that_is_away(caplog) -> None:
    publisher, about = Publisher(), attempt()
    publisher.gate.clear()
    recorder = RecordingModel(answering(answer()), publisher, 5.0, close_seconds=0.01)
    for _ in range(3):
        await recorder.ask(PROMPT, about, str)
    async with asyncio.timeout(60):
        await recorder.aclose()
    assert all(receipt.cancelled() for receipt in about.invocation.receipts)
    assert "3 LLM-call events were given up" in caplog.text


async def test_an_event_that_its_topic_refuses_for_its_size_stops_nobody_and_is_told_with_its_cost(caplog) -> None:
    publisher, about = Publisher(), attempt()
    publisher.broken = TooLargeError("A message of 900 bytes is larger than what llm.calls takes.")
    recorder = RecordingModel(answering(answer()), publisher, 5.0)
    await recorder.ask(PROMPT, about, str)
    await about.invocation.receipts[0]
    assert "llm.calls" in caplog.text
    assert "took 100 tokens in, 20 out, 0.000012 USD" in caplog.text


async def test_a_strange_model_name_is_made_fit_to_be_stored() -> None:
    publisher, about = Publisher(), attempt()
    recorder = RecordingModel(answering(answer(model="x\x00" + "y" * 1000)), publisher, 5.0)
    await recorder.ask(PROMPT, about, str)
    await recorder.aclose()
    assert publisher.events()[0].model == "x" + "y" * 254


async def test_each_attempt_has_an_id_of_its_own() -> None:
    publisher, about = Publisher(), attempt()
    recorder = RecordingModel(answering(answer()), publisher, 5.0)
    for _ in range(3):
        await recorder.ask(PROMPT, about, str)
    await recorder.aclose()
    assert len({event.call_id for event in publisher.events()}) == 3
    assert len(about.invocation.receipts) == 3
