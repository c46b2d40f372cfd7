"""One batch of messages to its end: rows stored, bad ones dead-lettered, both acknowledged. Nothing of Kafka here."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from consumers.decoding import decode
from domain.delivery.dead_letters import DeadLetters, Failure
from domain.delivery.messages import InboundMessage
from domain.delivery.tally import DeadLetterTally
from domain.errors import BrokerUnavailableError, InputError, NotStorableError, SinkUnavailableError
from domain.ports import BatchOutcome, EventPublisher, LLMCallSink
from schemas.llm_calls import LLMCall

logger = logging.getLogger(__name__)

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]
Bad = tuple[InboundMessage, InputError]

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
DEAD_LETTERS_AT_ONCE = 200
PART = 1_250
WRITERS = 2


@dataclass(slots=True)
class Progress:
    """What was done so far, and what is under way; may be read from another thread.

    Attributes:
        stored: new rows.
        repeated: calls that were there already.
        dead_lettered: messages that are no LLM call, or none that can be stored.
        outages: how often the database or the broker had to be waited for.
        deleted_unread: messages that were deleted before they were read.
        waits_for_store: whether the database did not answer when it was asked last.
        batch_since: when the batch under way was begun, on the monotonic clock; None where there is none.
        letters: dead letters by reason.
    """

    stored: int = 0
    repeated: int = 0
    dead_lettered: int = 0
    outages: int = 0
    deleted_unread: int = 0
    waits_for_store: bool = False
    batch_since: float | None = None
    letters: DeadLetterTally = field(default_factory=DeadLetterTally)

    @property
    def batch_seconds(self) -> float:
        """Age of the batch under way; 0 where there is none."""
        since = self.batch_since
        return 0.0 if since is None else time.monotonic() - since


class BatchSettler:
    """Settles batches, one at a time."""

    def __init__(
        self,
        sink: LLMCallSink,
        publisher: EventPublisher,
        progress: Progress,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._sink = sink
        self._dead_letters = DeadLetters(publisher, tally=progress.letters)
        self._progress = progress
        self._sleep = sleep
        self._writers = asyncio.Semaphore(WRITERS)

    async def settle(self, messages: Sequence[InboundMessage]) -> None:
        """Return once every message is a stored row or an acknowledged dead letter; until then, try again.

        An outage of the database or the broker is waited out, however long. It may be cancelled at any moment and
        settled again, by anyone: rows and dead letters have ids of their own.
        """
        parts: list[asyncio.Task[None]] = []
        self._progress.batch_since = time.monotonic()
        try:
            for start in range(0, len(messages), PART):
                decoded = _decoded(messages[start : start + PART])
                parts.append(asyncio.create_task(self._settle_part(*decoded)))
                # Lets this part leave for the database, which works on it while we read the next.
                await asyncio.sleep(0)
            await asyncio.gather(*parts)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            self._progress.batch_since = None

    async def _settle_part(self, calls: list[LLMCall], origins: list[InboundMessage], bad: list[Bad]) -> None:
        outcome = BatchOutcome(0)
        if calls:
            async with self._writers:
                outcome = await self._insist(lambda: self._sink.write(calls))
                self._progress.waits_for_store = False
        refusal = NotStorableError("The database refuses a value of this LLM call.")
        bad += [(origins[position], refusal) for position in outcome.refused]
        for start in range(0, len(bad), DEAD_LETTERS_AT_ONCE):
            await asyncio.gather(*(self._bury(*one) for one in bad[start : start + DEAD_LETTERS_AT_ONCE]))
        self._progress.stored += outcome.inserted
        self._progress.repeated += len(calls) - outcome.inserted - len(outcome.refused)
        self._progress.dead_lettered += len(bad)

    async def _bury(self, message: InboundMessage, error: InputError) -> None:
        await self._insist(lambda: self._dead_letters.publish(message, Failure.of(error)))

    async def _insist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        pause = FIRST_PAUSE
        while True:
            try:
                return await attempt()
            except (SinkUnavailableError, BrokerUnavailableError) as error:
                if pause == FIRST_PAUSE:
                    self._progress.outages += 1
                self._progress.waits_for_store |= isinstance(error, SinkUnavailableError)
                logger.warning("%s Nothing is lost; trying again in about %.1f s.", error.message, pause)
            await self._sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, guards nothing
            pause = min(pause * 2, LONGEST_PAUSE)


def _decoded(messages: Sequence[InboundMessage]) -> tuple[list[LLMCall], list[InboundMessage], list[Bad]]:
    calls: list[LLMCall] = []
    origins: list[InboundMessage] = []
    bad: list[Bad] = []
    for message in messages:
        try:
            calls.append(decode(message.value))
        except InputError as error:
            bad.append((message, error))
        else:
            origins.append(message)
    return calls, origins, bad
