"""All that comes out of a case's system, followed live on its topics; values are read and let go, ids are kept."""

import asyncio
import contextlib
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from hashlib import sha256
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from schemas.cloudevents import deterministic_id
from schemas.llm_calls import MAX_COST_USD, MAX_TOKENS, LLMCall
from schemas.progress import AnalysisProgressed, SummaryProgressed
from schemas.topics import DEAD_LETTERS, JUDGEMENTS, LLM_CALLS, TOPICS
from tests.chaos.evidence import Call, CallMessage, Input, Letter, Partition, Place, Result
from tests.integration.system_support import partitions_of

NOT_OURS = {"feedback.records", "feedback.requests", "feedback.frameworks", "feedback.corrections", "usage.alerts"}
RESULTS = tuple(topic.name for topic in TOPICS if topic.name not in {*NOT_OURS, DEAD_LETTERS.name, LLM_CALLS.name})
OUTCOMES = (*RESULTS, DEAD_LETTERS.name)
_NEWS = {progress.ce_type.encode() for progress in (AnalysisProgressed, SummaryProgressed)}
_MOST: dict[str, int | Decimal] = {
    "input_tokens": MAX_TOKENS,
    "output_tokens": MAX_TOKENS,
    "cache_read_input_tokens": MAX_TOKENS,
    "reasoning_output_tokens": MAX_TOKENS,
    "cost_usd": MAX_COST_USD,
}


class Sightings:
    """What stands on the topics of outcomes and of LLM calls, as far as it was read.

    Attributes:
        results, letters, calls: all of it, repeats among them.
        open: the inputs that have not all of their outcomes yet, by event id.
        failed: what kept this from reading a message, if anything did.
        told: hears of each result with its tenant, where a judge, or a case, reads them; None where nobody does.
        progress: how many messages told how far a request is: they are no outcomes.
        latest: for each place of an input the broker's time (seconds) of the newest outcome of it.
    """

    def __init__(self, consumer: AIOKafkaConsumer, asking: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._asking = asking  # reads nothing, and so knows every topic
        self.results: list[Result] = []
        self.letters: list[Letter] = []
        self.calls: list[CallMessage] = []
        self.open: dict[str, set[str]] = {}
        self.failed: Exception | None = None
        self.told: Callable[[Any, str], None] | None = None
        self.progress = 0
        self.latest: dict[Place, float] = {}
        self._owners: dict[str, tuple[tuple[str, str, Place], ...]] = {}  # event, operation, place by outcome's id
        self._seen: dict[str, float] = {}
        self._news = asyncio.Condition()

    def expect(self, given: Input) -> None:
        """Count an input as open until it has an outcome for each operation, or one for the whole of it."""
        event = given.event_id
        self.open.setdefault(event, set(given.operations) or {""})
        for operation in given.operations:
            self._name(str(deterministic_id(given.answered_as, operation)), event, operation, given.place)
        for operation in {*given.operations, ""}:
            self._name(str(deterministic_id(event, "dead_letter", operation)), event, operation, given.place)

    def _name(self, outcome: str, event: str, operation: str, place: Place) -> None:
        others = (owner for owner in self._owners.get(outcome, ()) if owner[0] != event)  # other parts of its request
        self._owners[outcome] = (*others, (event, operation, place))
        if outcome in self._seen:
            self._saw(outcome, self._seen[outcome])

    def _saw(self, outcome: str, moment: float) -> None:
        self._seen[outcome] = moment
        for event, operation, place in self._owners.get(outcome, ()):
            self.latest[place] = moment
            still = self.open.get(event)
            if still is not None:
                still.clear() if not operation else still.discard(operation)
                if not still:
                    del self.open[event]

    async def until(self, holds: Callable[[], bool], seconds: float = 120) -> None:
        """Return once something holds of what was read; TimeoutError else."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: self.failed is not None or holds())
        if self.failed is not None:
            raise self.failed

    async def ends(self) -> dict[Partition, int]:
        """How far the topics of outcomes reach now. Deleted ones are left out: their ends would be waited for."""
        await self._asking._client.force_metadata_update()  # no public way without a subscription
        there = {topic: self._asking.partitions_for_topic(topic) or set() for topic in OUTCOMES}
        places = [place for place in self._consumer.assignment() if place.partition in there.get(place.topic, ())]
        # Asked by the reader itself: it finds a topic that was made anew no later than whoever asks.
        ends = await self._consumer.end_offsets(places)
        return {(place.topic, place.partition): end for place, end in ends.items()}

    async def ends_of(self, *topics: str) -> dict[Partition, tuple[int, int]]:
        """Where the partitions of any topics begin and end now."""
        places = await partitions_of(self._asking, *topics)
        begins, ends = await self._asking.beginning_offsets(places), await self._asking.end_offsets(places)
        return {(place.topic, place.partition): (begins[place], ends[place]) for place in places}

    async def caught_up(self, seconds: float = 60) -> None:
        """Return once all was read that stands there at this moment."""
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        positions: dict[Any, int] = {}
        async with asyncio.timeout(seconds):
            while any(positions.get(place, -1) < end for place, end in ends.items()):
                for place in ends:
                    positions[place] = await self._consumer.position(place)
                await asyncio.sleep(0.05)

    async def follow(self) -> None:
        """Read on for ever, whatever happens to the broker."""
        while True:
            try:
                batches = await self._consumer.getmany(timeout_ms=200)
            except KafkaError:
                await asyncio.sleep(0.2)
                continue
            if batches:
                async with self._news:
                    try:
                        self._take(message for batch in batches.values() for message in batch)
                    except Exception as error:  # noqa: BLE001 - who waits is told
                        self.failed = error
                    self._news.notify_all()

    def _take(self, messages: Iterable[Any]) -> None:
        for message in messages:
            place = (message.topic, message.partition, message.offset)
            if message.topic == LLM_CALLS.name:
                self.calls.append(CallMessage(place, call_in(message.value)))
            elif message.topic == DEAD_LETTERS.name:
                letter = _letter(place, json.loads(message.value))
                self.letters.append(letter)
                self._saw(letter.dead_letter_id, message.timestamp / 1000)
            elif dict(message.headers).get("ce_type") in _NEWS:
                assert "result_id" not in json.loads(message.value), "news of progress has the id of a result"
                self.progress += 1
            else:
                told = json.loads(message.value)
                result_id = told["judgement_id" if message.topic == JUDGEMENTS.name else "result_id"]
                subject = told.get("record_id") or told.get("request_id") or ""
                self.results.append(Result(place, result_id, told["tenant_id"], subject))
                self._saw(result_id, message.timestamp / 1000)
                if self.told is not None and message.topic != JUDGEMENTS.name:
                    self.told(message, told["tenant_id"])


def call_in(value: bytes | None) -> Call | None:
    """The call that a message of `llm.calls` tells of, None where it is none. Figures beyond reason count as untold."""
    try:
        told = LLMCall.model_validate_json(value or b"")
    except ValidationError:
        try:
            told = LLMCall.model_validate(_within_reason(value or b""))
        except (ValueError, RecursionError):  # pydantic's ValidationError among them
            return None
    return Call(
        str(told.call_id),
        told.tenant_id,
        told.operation,
        told.record_id or told.request_id,
        told.status,
        told.error_class,
        told.http_status,
        told.input_tokens,
        told.output_tokens,
        told.cost_usd,
    )


def _within_reason(value: bytes) -> object:
    """What is written there, without tokens and cost that nobody believes.

    Raises:
        ValueError, RecursionError: it is no JSON, or nested too deeply.
    """
    told = json.loads(value, parse_float=Decimal)
    if not isinstance(told, dict):
        return told
    return {name: None if name in _MOST and _exceeds(given, _MOST[name]) else given for name, given in told.items()}


def _exceeds(given: object, most: int | Decimal) -> bool:
    try:
        return most < Decimal(str(given)) < Decimal("Infinity")
    except ArithmeticError:
        return False


def _letter(place: Place, told: dict[str, Any]) -> Letter:
    source, value = told["source"], told.get("value_base64")
    return Letter(
        place,
        told["dead_letter_id"],
        told.get("result_id"),
        told.get("operation"),
        told["reason"],
        told.get("tenant_id"),
        (source["topic"], source["partition"], source["offset"]),
        None if value is None else sha256(b64decode(value)).hexdigest(),
        told["message"],
    )


@asynccontextmanager
async def following(bootstrap: str) -> AsyncIterator[Sightings]:
    """Follow all topics of outcomes and of calls from where they begin now."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=50
    )
    async with consumer, AIOKafkaConsumer(bootstrap_servers=bootstrap) as asking:
        consumer.assign(await partitions_of(asking, *OUTCOMES, LLM_CALLS.name))
        sightings = Sightings(consumer, asking)
        task = asyncio.create_task(sightings.follow())
        try:
            yield sightings
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
