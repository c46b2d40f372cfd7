"""Every attempt becomes an LLM-call event, however it ends: an answer, a refusal, a timeout, a cancellation, a bug."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import uuid4

from adapters.llm.answers import MAX_NAME, name_of
from adapters.llm.pricing import NO_COST
from domain.errors import InvalidOutputError, LLMError, LLMTimeoutError, ProviderRefusedError, TooLargeError
from domain.llm.calls import Attempt, ChatModel, Completion, Prompt, Usage
from domain.llm.conversation import Answer
from domain.llm.tally import CallTally
from domain.ports import EventPublisher, OutboundMessage
from schemas.cloudevents import headers_for
from schemas.llm_calls import LLMCall
from schemas.topics import LLM_CALLS

logger = logging.getLogger(__name__)
T = TypeVar("T")

CLOSE_SECONDS = 5.0
_FILTERED = "content_filter"
_CUT_OFF = "length"


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clocks:
    """When an attempt began (UTC) and how long it took (a monotonic clock, seconds)."""

    wall: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.perf_counter


@dataclass(slots=True)
class _Outcome:
    """What is known of an attempt when it ends."""

    completion: Completion | None = None
    error: BaseException | None = None


class RecordingModel:
    """A RecordedModel (domain.llm.conversation): one attempt within its time, its answer parsed, an event published.

    An attempt begins when the model is asked, and so its duration counts what a model does with its own calls before it
    sends them. But where a model says how long it worked (`Completion.duration_seconds`), that is the event's duration,
    and its timestamp is the end less that duration: `offline/semantic` has one thread, and its calls queue for it. The
    attempt's timeout counts from the asking in any case.

    Args:
        inner: the model that is asked.
        publisher: where the events go.
        attempt_timeout_seconds: the time for one attempt, from the request to the last byte of the answer.
        clocks: for tests.
        close_seconds: how long `aclose` may take.
        tally: where attempts are counted.
    """

    def __init__(
        self,
        inner: ChatModel,
        publisher: EventPublisher,
        attempt_timeout_seconds: float,
        clocks: Clocks | None = None,
        close_seconds: float = CLOSE_SECONDS,
        tally: CallTally | None = None,
    ) -> None:
        self._inner, self._publisher, self._timeout = inner, publisher, attempt_timeout_seconds
        self._close_seconds = close_seconds
        self._clocks = clocks or Clocks()
        self._tally = tally or CallTally()
        self._pending: set[asyncio.Task[None]] = set()
        self._provider = inner.name.partition("/")[0][:100] or "unknown"

    @property
    def name(self) -> str:
        """The requested model's full name, `provider/model`."""
        return self._inner.name

    async def ask(self, prompt: Prompt, attempt: Attempt, parse: Callable[[str], T]) -> Answer[T]:
        """Ask once, and parse the answer; the attempt's event is on its way when this returns or raises.

        The event's acknowledgement is added to `attempt.invocation.receipts`.

        Raises:
            InvalidOutputError: there was no text, or `parse` refused it; billed all the same.
            LLMTimeoutError: the time was up.
            ProviderRefusedError: the provider's content filter kept the answer back; billed all the same.
            RetryableLLMError, PermanentLLMError: what the model raised.
        """
        outcome = _Outcome()
        started_at, started = self._clocks.wall(), self._clocks.monotonic()
        try:
            return await self._ask(prompt, attempt, parse, outcome)
        except BaseException as error:
            outcome.error = error
            raise
        finally:
            seconds = max(0.0, self._clocks.monotonic() - started)
            if not isinstance(outcome.error, GeneratorExit):  # thrown away with its loop: nobody is left to send it
                seconds, queued = _parted(seconds, outcome.completion)
                began = started_at + timedelta(seconds=queued)
                event = _event(self, attempt, outcome, began, seconds)
                self._tally.count(event.operation, event.status, seconds, priced=event.cost_usd is not None)
                self._publish(event, attempt)
            # It holds this frame: a circle that the garbage collector, which seldom looks, would keep with the answer.
            outcome.error = None

    async def aclose(self) -> None:
        """Wait for the acknowledgement of all events so far; those without one after `close_seconds` are given up.

        Their inputs were not acknowledged: they come again, with calls of their own.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._close_seconds
        while self._pending and clock() < deadline:
            await asyncio.wait(set(self._pending), timeout=deadline - clock())
        given_up = set(self._pending)
        for task in given_up:
            task.cancel()
        if given_up:
            await asyncio.wait(given_up)
            logger.error("%d LLM-call events were given up: Kafka did not acknowledge them in time", len(given_up))

    @property
    def provider(self) -> str:
        """Who is asked: what stands before the first slash of the name."""
        return self._provider

    async def _ask(self, prompt: Prompt, attempt: Attempt, parse: Callable[[str], T], outcome: _Outcome) -> Answer[T]:
        completion = outcome.completion = await self._complete(prompt, attempt)
        if completion.finish_reason == _FILTERED:
            raise ProviderRefusedError(
                "The provider's content filter kept the answer back.", http_status=completion.http_status
            )
        if completion.text is None or not completion.text.strip():
            raise InvalidOutputError("The answer was empty.")
        try:
            return Answer(parse(completion.text), completion, self.name)
        except InvalidOutputError:
            if completion.finish_reason != _CUT_OFF:
                raise
            raise InvalidOutputError(
                f"The answer was cut off after {prompt.max_output_tokens} tokens. Answer in fewer words."
            ) from None

    async def _complete(self, prompt: Prompt, attempt: Attempt) -> Completion:
        """One attempt within its time; a library that makes an error of its own of the timeout is seen through."""
        try:
            async with asyncio.timeout(self._timeout) as limit:
                return await self._inner.complete(prompt, attempt)
        except TimeoutError:
            if not limit.expired():
                raise LLMTimeoutError("The provider did not answer in time.") from None
        except LLMError:
            if not limit.expired():
                raise
        raise LLMTimeoutError(f"The provider did not answer within {self._timeout:g} s.")

    def _publish(self, event: LLMCall, attempt: Attempt) -> None:
        """Send the event in a task of its own, so that it is sent though the attempt is being cancelled."""
        call_id = str(event.call_id)
        trace_id = event.trace_id or event.invocation_id.hex
        headers = headers_for(event, event_id=call_id, trace_id=trace_id, time=event.timestamp)
        key = str(event.invocation_id).encode()
        message = OutboundMessage(LLM_CALLS.name, key=key, value=event.to_bytes(), headers=headers)
        task = asyncio.create_task(self._send(message, event), name=f"llm-call {call_id}")
        self._pending.add(task)
        task.add_done_callback(self._published)
        attempt.invocation.receipts.append(task)

    async def _send(self, message: OutboundMessage, event: LLMCall) -> None:
        """Publish it. One that its topic refuses for its size counts as sent: it would be refused again for ever.

        An event has a few kilobytes at most, so only a topic that was made too narrow refuses it. What the call took is
        logged then, as nothing else will tell.
        """
        try:
            await self._publisher.publish(message)
        except TooLargeError as error:
            took = (event.call_id, event.request_model, event.input_tokens, event.output_tokens, event.cost_usd)
            logger.error(  # noqa: TRY400 - the frames tell nothing
                "An LLM-call event is lost: %s Raise the topic's max.message.bytes. "
                "Call %s to %s took %s tokens in, %s out, %s USD",
                error.message,
                *took,
            )

    def _published(self, task: asyncio.Task[None]) -> None:
        self._pending.discard(task)
        if task.cancelled():
            logger.debug("An LLM-call event was cancelled before its acknowledgement: %s", task.get_name())
        elif (error := task.exception()) is not None:
            logger.error("An LLM-call event was not acknowledged (%s): %s", type(error).__name__, task.get_name())


def _parted(seconds: float, completion: Completion | None) -> tuple[float, float]:
    """An attempt's time as seconds of work and seconds before it, by the model's own measure if it has one."""
    told = completion.duration_seconds if completion is not None else None
    worked = seconds if told is None else min(max(0.0, told), seconds)
    return worked, seconds - worked


def _event(model: RecordingModel, attempt: Attempt, outcome: _Outcome, started_at: datetime, seconds: float) -> LLMCall:
    """The event of one attempt: figures and names only, no text of anyone's.

    The ids can be stored as they are: an input with an id that no text column takes (NUL) is not decoded.
    """
    invocation, completion, error = attempt.invocation, outcome.completion, outcome.error
    usage = completion.usage if completion is not None else Usage()
    cost = completion.cost if completion is not None else NO_COST
    status = completion.http_status if completion is not None else getattr(error, "http_status", None)
    return LLMCall(
        call_id=uuid4(),
        tenant_id=invocation.tenant_id,
        operation=invocation.operation,
        invocation_id=invocation.invocation_id,
        invocation_started_at=invocation.started_at,
        timestamp=started_at,
        call_duration_ms=round(seconds * 1000, 3),
        provider=model.provider,
        request_model=model.name[:MAX_NAME],
        model=name_of(completion.model) if completion is not None else None,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_input_tokens=usage.cache_read_input_tokens,
        reasoning_output_tokens=usage.reasoning_output_tokens,
        cost_usd=cost.usd,
        cost_source=cost.source,
        status="ok" if error is None else "error",
        error_class=None if error is None else type(error).__name__[:MAX_NAME],
        attempt=min(attempt.number, 32_767),
        http_status=status if status is not None and 100 <= status <= 999 else None,
        prompt_version=attempt.prompt_version,
        record_id=invocation.record_id,
        request_id=invocation.request_id,
        trace_id=invocation.trace_id,
    )
