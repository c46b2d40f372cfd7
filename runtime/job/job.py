"""One job from its first record to its last outcome."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.publisher import KafkaPublisher
from domain.ports import OutboundMessage
from runtime.job.follow import Follower, OnNew
from runtime.job.ledger import Ledger
from runtime.job.patience import Patience
from runtime.job.records_file import FileRecord
from runtime.process import first
from schemas.cloudevents import headers_for
from schemas.frameworks import CodingFramework
from schemas.records import FeedbackRecordSubmitted
from schemas.topics import FRAMEWORKS, RECORDS

logger = logging.getLogger(__name__)

SOURCE = "feedback-run"
_PUBLISHES_AT_ONCE = 500
_ASKED_AT_ONCE = 5000
_LOOK_EVERY_SECONDS = 0.3

FindStored = Callable[[Sequence[UUID]], Awaitable[set[UUID]]]
"""Which of these LLM calls are in the database."""


@dataclass(frozen=True, slots=True)
class JobReport:
    """How a job ended: from `started_at` to `ended_at`, with the LLM `calls` that were made for its records.

    `gave_up` tells a person why it did not wait any longer; empty where it did not give up.
    """

    records: int
    outcomes: int
    dead_letters: int
    calls: frozenset[UUID] = field(repr=False)
    rows: int
    started_at: datetime
    ended_at: datetime
    gave_up: str = ""

    @classmethod
    def of_nothing(cls, records: int) -> "JobReport":
        """The report of a job that has not begun."""
        now = datetime.now(UTC)
        return cls(records, outcomes=0, dead_letters=0, calls=frozenset(), rows=0, started_at=now, ended_at=now)

    @property
    def llm_calls(self) -> int:
        """How many LLM calls were made for its records."""
        return len(self.calls)

    def last_line(self, name: str) -> str:
        """The line for scripts."""
        return (
            f"{name}: records={self.records} outcomes={self.outcomes} lost={self.records - self.outcomes} "
            f"dead_letters={self.dead_letters} llm_calls={self.llm_calls} rows={self.rows}"
        )

    @property
    def complete(self) -> bool:
        """Whether every record has its outcome and every LLM call its row."""
        return self.outcomes == self.records and self.rows == self.llm_calls


class Job:
    """Publishes frameworks and records, and waits until each has its outcome and each LLM call its row.

    Args:
        connection: the Kafka to read from.
        publisher: how to publish to it, not entered yet.
        find_stored: asks the database.
        on_new: told of each outcome.
        on_progress: told of the ledger and the number of stored calls, a few times a second.
        give_up_after: seconds without any outcome (or row) until it waits no longer; 0: it waits for ever.

    Attributes:
        gave_up: whether it waited no longer.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        publisher: KafkaPublisher,
        find_stored: FindStored,
        on_new: OnNew,
        on_progress: Callable[[Ledger, int], None],
        give_up_after: float = 0,
    ) -> None:
        self._connection = connection
        self._publisher = publisher
        self._find_stored = find_stored
        self._on_new = on_new
        self._on_progress = on_progress
        self._ledger = Ledger(run_id=str(uuid4()))
        self._started_at = datetime.now(UTC)
        self._stored: set[UUID] = set()
        self._give_up_after = give_up_after
        self.gave_up = False

    async def run(self, frameworks: Sequence[CodingFramework], records: Sequence[FileRecord]) -> None:
        """Return when nothing is open any more, or nothing comes; `report` tells how far it came, also after a
        cancellation.

        Raises:
            BrokerUnavailableError: Kafka did not take a record, or cannot be read.
        """
        traces = {record.line: self._ledger.expect(record, SOURCE) for record in records}
        follower = Follower(self._connection, self._ledger, self._on_new)
        try:
            await follower.start()
            await first(follower.run(), self._publish_and_wait(follower, frameworks, records, traces))
        finally:
            await follower.stop()

    async def report(self) -> JobReport:
        """Where the job stands now; the rows are counted anew."""
        calls = list(self._ledger.calls)
        rows = [
            await self._find_stored(calls[start : start + _ASKED_AT_ONCE])
            for start in range(0, len(calls), _ASKED_AT_ONCE)
        ]
        return self._report(sum(map(len, rows)))

    def so_far(self) -> JobReport:
        """Where the job stood when it last looked; asks nobody."""
        return self._report(len(self._stored))

    def _report(self, rows: int) -> JobReport:
        return JobReport(
            records=self._ledger.records,
            outcomes=self._ledger.outcomes,
            dead_letters=self._ledger.dead_letters,
            calls=frozenset(self._ledger.calls),
            rows=rows,
            started_at=self._started_at,
            ended_at=datetime.now(UTC),
        )

    async def _publish_and_wait(
        self,
        follower: Follower,
        frameworks: Sequence[CodingFramework],
        records: Sequence[FileRecord],
        traces: dict[int, str],
    ) -> None:
        await self._publish(frameworks, records, traces)
        await self._until_complete(follower)

    async def _publish(
        self, frameworks: Sequence[CodingFramework], records: Sequence[FileRecord], traces: dict[int, str]
    ) -> None:
        async with self._publisher as publisher:
            for framework in frameworks:
                headers = headers_for(framework, str(uuid4()), uuid4().hex, source=SOURCE)
                message = OutboundMessage(FRAMEWORKS.name, framework.key.encode(), framework.to_bytes(), headers)
                await publisher.publish(message)
            for start in range(0, len(records), _PUBLISHES_AT_ONCE):
                part = records[start : start + _PUBLISHES_AT_ONCE]
                await asyncio.gather(
                    *(publisher.publish(self._message(record, traces[record.line])) for record in part)
                )
                self._ledger.published += len(part)
                self._on_progress(self._ledger, len(self._stored))

    def _message(self, record: FileRecord, trace_id: str) -> OutboundMessage:
        headers = headers_for(FeedbackRecordSubmitted, self._ledger.event_id(record), trace_id, source=SOURCE)
        value = json.dumps(record.payload, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return OutboundMessage(RECORDS.name, record.record_id.encode("utf-8", "surrogatepass"), value, headers)

    async def _until_complete(self, follower: Follower) -> None:
        """Wait for the outcomes, then for all of their calls, then for the rows; not for ever where nothing comes."""
        patience = Patience(self._give_up_after)
        while self._ledger.outcomes < self._ledger.records and not self.gave_up:
            await self._look(patience)
        if not self.gave_up:
            await follower.caught_up()
        while self._without_row() and not self.gave_up:
            await self._look(patience)

    def _without_row(self) -> set[UUID]:
        """The calls that are still to appear in the database."""
        return self._ledger.calls - self._stored - self._ledger.refused

    async def _look(self, patience: Patience) -> None:
        """Ask for rows, show the progress, give the rest time to go on."""
        self.gave_up = patience.is_over((self._ledger.settled, len(self._stored)))
        missing = list(self._without_row())[:_ASKED_AT_ONCE]
        if missing:
            self._stored |= await self._find_stored(missing)
        self._on_progress(self._ledger, len(self._stored))
        if len(missing) < _ASKED_AT_ONCE:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)  # rows appear in the database without an event for us
