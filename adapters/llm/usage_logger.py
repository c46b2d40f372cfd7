"""LLMCall events from any LiteLLM program: a callback that hands every attempt on to a background sender.

It imports LiteLLM as the program has set it up, and changes nothing of that. `runtime.usage_logger` is the public door.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import litellm
from litellm.integrations.custom_logger import CustomLogger
from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER
from pydantic import TypeAdapter, ValidationError

from adapters.kafka.background import BackgroundSender
from adapters.kafka.connection import KafkaConnection
from adapters.llm.pricing import CONFIGURED, NO_COST, PriceBook, cost_of, read_usage
from adapters.llm.usage_facts import Facts, read_facts
from domain.errors import FeedbackError
from domain.llm.calls import Cost, Usage
from domain.ports import OutboundMessage
from domain.usage.prices import PriceList
from schemas.base import Moment
from schemas.cloudevents import deterministic_id, headers_for
from schemas.llm_calls import LLMCall
from schemas.topics import LLM_CALLS

logger = logging.getLogger(__name__)

SOURCE = "feedback-usage-logger"
"""The `ce_source` of its events."""

FINISHED_SECONDS = 5.0
_TURNS = 3
_REMEMBERED = 10_000
_MOST_ATTEMPTS = 32_767
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


@dataclass(frozen=True, slots=True)
class Naming:
    """How calls are named whose program says nothing of it.

    Attributes:
        tenant: the tenant.
        operation: the operation; None: what was called: completion, embedding, ...
        tenant_of_key: whether the tenant is whose key a proxy was called with, whatever its client says.
    """

    tenant: str = "unknown"
    operation: str | None = None
    tenant_of_key: bool = False


@dataclass(slots=True)
class _Invocation:
    started_at: datetime
    attempts: int = 0


class UsageLogger(CustomLogger):
    """A LiteLLM callback: one LLMCall event for each attempt that LiteLLM tells of.

    It reads names, ids, moments and figures, never a prompt, an answer or a key. It neither waits nor raises.

    Args:
        connect: how to reach Kafka; asked for in the background, with the first event.
        naming: how calls are named whose program says nothing of it.
        prices: makes the prices of a file, in the background.
        topic: where the events go.
        sending: further arguments of `BackgroundSender`.
    """

    def __init__(
        self,
        connect: Callable[[], KafkaConnection],
        naming: Naming,
        prices: Callable[[], PriceList | None] = lambda: None,
        topic: str = LLM_CALLS.name,
        **sending: Any,
    ) -> None:
        super().__init__()
        self._naming, self._load_prices, self._topic = naming, prices, topic
        self._sender: BackgroundSender[tuple[Facts, _Invocation, int]] = BackgroundSender(
            connect, self._message, **sending
        )
        self._unlock()
        os.register_at_fork(after_in_child=self._unlock)
        self._invocations: OrderedDict[UUID, _Invocation] = OrderedDict()
        self._seen: OrderedDict[UUID, None] = OrderedDict()
        self._books: dict[tuple[str, str], PriceBook] = {}
        self._listed: tuple[PriceList | None] | None = None

    def _unlock(self) -> None:
        """Behind a fork, too, that came while another thread of the parent held the lock."""
        self._lock = threading.Lock()

    @property
    def sent(self) -> int:
        """Events that Kafka has acknowledged, in this process."""
        return self._sender.sent

    @property
    def dropped(self) -> int:
        """Events that were lost: no room in the queue, or not acknowledged in time."""
        return self._sender.dropped

    def flush(self, seconds: float) -> bool:
        """Wait until every event so far is sent or dropped, so long at most; whether it is."""
        return self._sender.flush(seconds)

    async def finished(self, seconds: float = FINISHED_SECONDS) -> bool:
        """Wait until every call so far is told of, and its event sent or dropped, so long at most; whether it is.

        False: that is not known yet; LiteLLM's queue holds other callbacks' work, too.

        An asynchronous program awaits it before its loop ends: LiteLLM tells of a call in a task of that loop, later
        than it returns, and what it has begun to tell when the loop ends is told nobody.
        """
        by = time.monotonic() + seconds
        try:
            await asyncio.wait_for(_all_told(), seconds)
        except TimeoutError:
            return False
        return await asyncio.to_thread(self._sender.flush, max(0.0, by - time.monotonic()))

    def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """LiteLLM's, of a call that answered."""
        self._take(kwargs, response_obj, start_time, end_time, failed=False)

    def log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """LiteLLM's, of a call that failed."""
        self._take(kwargs, response_obj, start_time, end_time, failed=True)

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """LiteLLM's, of an asynchronous call that answered."""
        self._take(kwargs, response_obj, start_time, end_time, failed=False)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """LiteLLM's, of an asynchronous call that failed."""
        self._take(kwargs, response_obj, start_time, end_time, failed=True)

    def _take(self, told: Any, response: Any, start: Any, end: Any, *, failed: bool) -> None:
        try:
            facts = read_facts(litellm, told, response, start, end, failed=failed)
            if facts is None:
                return
            counted = self._counted(facts)
            if counted is not None:
                self._sender.put((facts, *counted))
        except Exception as error:  # noqa: BLE001 - the program's call is worth more than our record of it
            with contextlib.suppress(Exception):
                self._sender.lose(f"{type(error).__name__} while it was read")

    def _counted(self, facts: Facts) -> tuple[_Invocation, int] | None:
        """The invocation, and the attempt's number in it; None for what LiteLLM tells twice."""
        call_id, invocation_id = _call_id(facts), _invocation_id(facts)
        with self._lock:
            if call_id in self._seen:
                return None
            self._seen[call_id] = None
            held = self._invocations.setdefault(invocation_id, _Invocation(facts.started_at))
            self._invocations.move_to_end(invocation_id)
            held.attempts += 1
            for remembered in (self._seen, self._invocations):
                if len(remembered) > _REMEMBERED:
                    remembered.popitem(last=False)
            return held, held.attempts

    def _message(self, item: tuple[Facts, _Invocation, int]) -> OutboundMessage:
        event = self._event(*item)
        call_id = str(event.call_id)
        trace_id = event.trace_id or event.invocation_id.hex
        headers = headers_for(event, event_id=call_id, trace_id=trace_id, time=event.timestamp, source=SOURCE)
        return OutboundMessage(
            self._topic, key=str(event.invocation_id).encode(), value=event.to_bytes(), headers=headers
        )

    def _event(self, facts: Facts, invocation: _Invocation, number: int) -> LLMCall:
        """The event of an attempt."""
        usage, cost = (Usage(), NO_COST) if facts.failed else self._priced(facts)
        said, seconds = facts.said, (facts.ended_at - facts.started_at).total_seconds()
        return LLMCall(
            call_id=_call_id(facts),
            tenant_id=self._tenant(facts),
            operation=_name(said, "operation", 100) or self._naming.operation or facts.kind,
            invocation_id=_invocation_id(facts),
            invocation_started_at=_when(said.get("invocation_started_at")) or invocation.started_at,
            timestamp=facts.started_at,
            call_duration_ms=round(max(0.0, seconds) * 1000, 3),
            provider=facts.provider,
            request_model=facts.request_model[:255],
            model=facts.model,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_input_tokens=usage.cache_read_input_tokens,
            reasoning_output_tokens=usage.reasoning_output_tokens,
            cost_usd=cost.usd,
            cost_source=cost.source,
            status="error" if facts.failed else "ok",
            error_class=facts.error_class,
            attempt=_attempt(said.get("attempt")) or min(number, _MOST_ATTEMPTS),
            http_status=facts.http_status,
            prompt_version=_name(said, "prompt_version", 100),
            record_id=_name(said, "record_id"),
            request_id=_name(said, "request_id"),
            trace_id=_trace(said.get("trace_id")),
        )

    def _tenant(self, facts: Facts) -> str:
        said = _name(facts.said, "tenant_id")
        known = (facts.owner, said) if self._naming.tenant_of_key else (said, facts.owner)
        return next(filter(None, known), self._naming.tenant)

    def _priced(self, facts: Facts) -> tuple[Usage, Cost]:
        reading = read_usage(facts.usage, facts.tier)
        if reading.problem is None and facts.own_price and facts.whole_cost is not None:
            return reading.usage, cost_of(Decimal(str(facts.whole_cost)), CONFIGURED)
        model = facts.request_model.removeprefix(f"{facts.provider}/")
        key = facts.provider, model
        if key not in self._books:
            if len(self._books) >= _REMEMBERED:
                self._books.clear()
            self._books[key] = PriceBook(litellm, model, facts.provider, listed=self._prices())
        cost = self._books[key].cost(reading, facts.model, lambda: facts.whole_cost, facts.started_at)
        return reading.usage, cost

    def _prices(self) -> PriceList | None:
        """The prices of the file; none where it is no price file: `feedback reprice` can make up for that."""
        if self._listed is None:
            try:
                self._listed = (self._load_prices(),)
            except FeedbackError as error:
                logger.warning("Usage events are priced without a price file. %s", error.message)
                self._listed = (None,)
        return self._listed[0]


async def _all_told() -> None:
    """LiteLLM's own queue is empty, and what left it is told."""
    for _ in range(_TURNS):  # a call that just returned is queued by a task that has not begun
        await asyncio.sleep(0)
    await GLOBAL_LOGGING_WORKER.flush()


def _call_id(facts: Facts) -> UUID:
    """The same whenever LiteLLM tells of the same attempt: by two ways, or again."""
    ending = "error" if facts.failed else "ok"
    return deterministic_id(SOURCE, "call", facts.call, facts.started_at.isoformat(), ending)


def _invocation_id(facts: Facts) -> UUID:
    given = facts.said.get("invocation_id")
    name = str(given) if given is not None else facts.group
    try:
        return UUID(name)
    except ValueError:
        return deterministic_id(SOURCE, "invocation", name)


def _name(said: Any, key: str, most: int = 255) -> str | None:
    value = said.get(key)
    if value is None:
        return None
    return str(value).replace("\x00", "").strip()[:most] or None


def _attempt(value: object) -> int | None:
    text = str(value)
    return (
        int(text)
        if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= _MOST_ATTEMPTS and len(text) < 6
        else None
    )


def _when(value: object) -> datetime | None:
    try:
        return _MOMENT.validate_python(value)
    except ValidationError:
        return None


def _trace(value: object) -> str | None:
    """A W3C trace id, also where it is written as a UUID."""
    text = str(value).replace("-", "").lower()
    return text if len(text) == 32 and not set(text) - set("0123456789abcdef") else None
