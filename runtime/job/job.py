"""One job from its first record to its last outcome."""

import asyncio
import json
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4

from domain.ports import EventPublisher, OutboundMessage
from runtime.job.job_report import JobReport
from runtime.job.ledger import Ledger
from runtime.job.patience import Clock, Patience, Sleep
from runtime.job.records_file import FileRecord
from runtime.job.rows import Rows
from runtime.process import first
from schemas.cloudevents import headers_for
from schemas.frameworks import CodingFramework
from schemas.records import FeedbackRecordSubmitted
from schemas.topics import FRAMEWORKS, RECORDS

SOURCE = "feedback-run"
_PUBLISHES_AT_ONCE = 500
_LOOK_EVERY_SECONDS = 0.3


class Following(Protocol):
    """Reads the output topics into the job's ledger; `runtime.job.follow.Follower` is the one."""

    async def start(self) -> None:
        """Note where every output topic ends now."""
        ...

    async def run(self) -> None:
        """Read until cancelled."""
        ...

    async def caught_up(self) -> None:
        """Return when all that is on the topics now has been read."""
        ...

    async def stop(self) -> None:
        """Let go of the connection."""
        ...


class Job:
    """Publishes frameworks and records, and waits until each has its outcome and each LLM call its row.

    Args:
        ledger: of this job, empty.
        follower: reads the output topics into the ledger; not started yet.
        publisher: how to publish, not entered yet.
        rows: of the ledger's LLM calls.
        on_progress: told of the ledger and the number of stored calls, a few times a second.
        give_up_after: the job gives up after so many seconds without a record taken by Kafka or a new outcome or, once
            all outcomes are there, without a new row. LLM calls are no outcomes: of a provider that is down, failed
            ones come for ever. 0: it never gives up.
        clock, sleep: time.

    Attributes:
        gave_up: whether it gave up.
    """

    def __init__(
        self,
        ledger: Ledger,
        follower: Following,
        publisher: AbstractAsyncContextManager[EventPublisher],
        rows: Rows,
        on_progress: Callable[[Ledger, int], None],
        give_up_after: float = 0,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._ledger = ledger
        self._follower = follower
        self._publisher = publisher
        self._rows = rows
        self._on_progress = on_progress
        self._give_up_after = give_up_after
        self._clock, self._sleep = clock, sleep
        self._started_at = datetime.now(UTC)
        self._calls_known = False
        self.gave_up = False

    async def run(self, frameworks: Sequence[CodingFramework], records: Sequence[FileRecord]) -> None:
        """Return when nothing is open any more, or when it gives up; `report` tells how far it came, also after a
        cancellation.

        Raises:
            BrokerUnavailableError: Kafka did not take a record, or cannot be read.
        """
        self._ledger.versions = {(one.tenant_id, one.framework_id): one.version for one in frameworks}
        traces = {record.line: self._ledger.expect(record, SOURCE) for record in records}
        try:
            await self._follower.start()
            await first(self._follower.run(), self._publish_and_wait(frameworks, records, traces))
        finally:
            await self._follower.stop()

    async def report(self) -> JobReport:
        """Where the job stands now; the rows are counted anew, where the database answers within a bound."""
        return self._report(await self._rows.count())

    def so_far(self) -> JobReport:
        """Where the job stood when it last looked; asks nobody."""
        return self._report(None)

    def _report(self, rows: int | None) -> JobReport:
        return JobReport(
            records=self._ledger.records,
            outcomes=self._ledger.outcomes,
            dead_letters=self._ledger.dead_letters,
            calls=frozenset(self._ledger.calls),
            calls_known=self._calls_known,
            rows=len(self._rows.seen) if rows is None else rows,
            rows_counted=rows is not None,
            started_at=self._started_at,
            ended_at=datetime.now(UTC),
            published=self._ledger.published,
            miscoded=dict(self._ledger.miscoded),
        )

    async def _publish_and_wait(
        self, frameworks: Sequence[CodingFramework], records: Sequence[FileRecord], traces: dict[int, str]
    ) -> None:
        patience = Patience(self._give_up_after, self._clock)
        publishing = asyncio.create_task(self._publish(frameworks, records, traces))
        try:
            while not publishing.done() and not patience.is_over(self._moved):
                await asyncio.wait({publishing}, timeout=_LOOK_EVERY_SECONDS)
                self._on_progress(self._ledger, len(self._rows.seen))
            if not publishing.done():
                self.gave_up = True
                return
            await publishing
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
        self.gave_up = not await self._all_came(patience)

    @property
    def _moved(self) -> tuple[int, int]:
        """Changes with each record that Kafka took, and with each outcome."""
        return self._ledger.published, self._ledger.settled

    async def _publish(
        self, frameworks: Sequence[CodingFramework], records: Sequence[FileRecord], traces: dict[int, str]
    ) -> None:
        async with self._publisher as publisher:
            await self._publish_with(publisher, frameworks, records, traces)

    async def _publish_with(
        self,
        publisher: EventPublisher,
        frameworks: Sequence[CodingFramework],
        records: Sequence[FileRecord],
        traces: dict[int, str],
    ) -> None:
        for framework in frameworks:
            headers = headers_for(framework, str(uuid4()), uuid4().hex, source=SOURCE)
            message = OutboundMessage(FRAMEWORKS.name, framework.key.encode(), framework.to_bytes(), headers)
            await publisher.publish(message)
        for start in range(0, len(records), _PUBLISHES_AT_ONCE):
            part = records[start : start + _PUBLISHES_AT_ONCE]
            await asyncio.gather(*(self._publish_one(publisher, record, traces[record.line]) for record in part))

    async def _publish_one(self, publisher: EventPublisher, record: FileRecord, trace_id: str) -> None:
        await publisher.publish(self._message(record, trace_id))
        self._ledger.published += 1

    def _message(self, record: FileRecord, trace_id: str) -> OutboundMessage:
        headers = headers_for(FeedbackRecordSubmitted, self._ledger.event_id(record), trace_id, source=SOURCE)
        value = json.dumps(record.payload, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return OutboundMessage(RECORDS.name, record.record_id.encode("utf-8", "surrogatepass"), value, headers)

    async def _all_came(self, patience: Patience) -> bool:
        """Wait for the outcomes, then for all of their calls, then for the rows; False: it gave up."""
        ledger, rows = self._ledger, self._rows
        if not await self._wait(patience, lambda: ledger.outcomes < ledger.records, lambda: self._moved):
            return False
        try:
            async with asyncio.timeout(patience.left(self._moved)):
                await self._follower.caught_up()
        except TimeoutError:
            return False
        self._calls_known = True
        patience = Patience(self._give_up_after, self._clock)
        return await self._wait(patience, lambda: rows.missing, lambda: rows.settled)

    async def _wait(self, patience: Patience, is_open: Callable[[], bool], state: Callable[[], Hashable]) -> bool:
        """Ask for rows and show the progress while something is open; False: `state` did not change for too long."""
        while is_open():
            if patience.is_over(state()):
                return False
            more = await self._rows.look()
            self._on_progress(self._ledger, len(self._rows.seen))
            if not more:
                await self._sleep(_LOOK_EVERY_SECONDS)  # rows appear in the database without an event for us
        return True
