"""One batch of messages to its end: rows stored, bad ones dead-lettered, both acknowledged. Nothing of Kafka here."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from domain.delivery.dead_letters import DeadLetters, Failure
from domain.delivery.messages import InboundMessage
from domain.delivery.tally import DeadLetterTally
from domain.errors import BrokerUnavailableError, InputError, NotStorableError, SinkUnavailableError
from domain.ports import BatchOutcome, EventPublisher, RowSink

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")
Sleep = Callable[[float], Awaitable[None]]
Bad = tuple[InboundMessage, InputError]

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
DEAD_LETTERS_AT_ONCE = 200
PART = 1_250
WRITERS = 2


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """How the messages of one topic become rows.

    Attributes:
        row: what a row is, as a sentence says it: "LLM call".
        decode: the row that a message carries; raises InputError where it carries none.
        sink: stores rows, each once.
        passed_over: whether a message without a row that can be stored is counted and passed over. Else it becomes a
            dead letter, which one of the topic of dead letters never may: it would be the next to be read.
    """

    row: str
    decode: Callable[[InboundMessage], R]
    sink: RowSink[R]
    passed_over: bool = False


Tables = Mapping[str, Table[Any]]
"""What is read: the table of each topic, by the topic's name."""


@dataclass(slots=True)
class Progress:
    """What was done so far, and what is under way; may be read from another thread.

    Attributes:
        stored: new rows.
        repeated: rows that were there already.
        dead_lettered: messages that carry no row, or none that can be stored.
        passed_over: such messages of tables that pass them over.
        outages: how often the database or the broker had to be waited for.
        deleted_unread: messages that were deleted before they were read.
        untold: how often it could not be told how far the consumer is.
        waits_for_store: whether the database did not answer when it was asked last.
        batch_since: when the batch under way was begun, on the monotonic clock; None where there is none.
        letters: dead letters by reason.
    """

    stored: int = 0
    repeated: int = 0
    dead_lettered: int = 0
    passed_over: int = 0
    outages: int = 0
    deleted_unread: int = 0
    untold: int = 0
    waits_for_store: bool = False
    batch_since: float | None = None
    letters: DeadLetterTally = field(default_factory=DeadLetterTally)

    @property
    def batch_seconds(self) -> float:
        """Age of the batch under way; 0 where there is none."""
        since = self.batch_since
        return 0.0 if since is None else time.monotonic() - since


class BatchSettler:
    """Settles batches, one at a time; every message is of a topic that has a table.

    Args:
        tables: where the rows of each topic go.
        publisher: where dead letters go.
        progress: counted up as it goes.
        sleep: waits between tries.
    """

    def __init__(
        self,
        tables: Tables,
        publisher: EventPublisher,
        progress: Progress,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._tables = tables
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
            for table, group in self._by_table(messages):
                for start in range(0, len(group), PART):
                    decoded = _decoded(group[start : start + PART], table.decode)
                    parts.append(asyncio.create_task(self._settle_part(table, *decoded)))
                    # Lets this part leave for the database, which works on it while we read the next.
                    await asyncio.sleep(0)
            await asyncio.gather(*parts)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            self._progress.batch_since = None

    def _by_table(self, messages: Sequence[InboundMessage]) -> Iterable[tuple[Table[Any], Sequence[InboundMessage]]]:
        if len(self._tables) == 1:
            return [(table, messages) for table in self._tables.values()]
        found: dict[str, list[InboundMessage]] = {}
        for message in messages:
            found.setdefault(message.topic, []).append(message)
        return [(self._tables[topic], group) for topic, group in found.items()]

    async def _settle_part(self, table: Table[R], rows: list[R], origins: list[InboundMessage], bad: list[Bad]) -> None:
        outcome = BatchOutcome(0)
        if rows:
            async with self._writers:
                outcome = await self._insist(lambda: table.sink.write(rows))
                self._progress.waits_for_store = False
        for position in outcome.refused:
            why = outcome.reasons.get(position, f"The database refuses a value of this {table.row}.")
            bad.append((origins[position], NotStorableError(why)))
        if table.passed_over:
            self._pass_over(table.row, bad)
        else:
            await self._bury_all(bad)
        self._progress.stored += outcome.inserted
        self._progress.repeated += len(rows) - outcome.inserted - len(outcome.refused)

    def _pass_over(self, row: str, bad: Sequence[Bad]) -> None:
        if not bad:
            return
        self._progress.passed_over += len(bad)
        first, error = bad[0]
        told = (row, len(bad), first.where, error.reason)
        logger.warning("Passed over, as no %s can be read in them: %d messages, the first at %s (%s)", *told)

    async def _bury_all(self, bad: Sequence[Bad]) -> None:
        for start in range(0, len(bad), DEAD_LETTERS_AT_ONCE):
            await asyncio.gather(*(self._bury(*one) for one in bad[start : start + DEAD_LETTERS_AT_ONCE]))
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


def _decoded(
    messages: Sequence[InboundMessage], decode: Callable[[InboundMessage], R]
) -> tuple[list[R], list[InboundMessage], list[Bad]]:
    rows: list[R] = []
    origins: list[InboundMessage] = []
    bad: list[Bad] = []
    for message in messages:
        try:
            rows.append(decode(message))
        except InputError as error:
            bad.append((message, error))
        else:
            origins.append(message)
    return rows, origins, bad
