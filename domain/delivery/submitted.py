"""Feedback records and requests: which operations they ask for, and what each of them has to wait for."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from domain.delivery.codings import Codings
from domain.delivery.decoding import decode
from domain.delivery.inputs import Assignment
from domain.delivery.job import Job
from domain.delivery.replays import asked_again
from domain.delivery.requests import Requests
from domain.delivery.settings import DeliverySettings
from domain.delivery.waiting import FrameworkWait
from domain.operations import questions
from domain.operations.corrected_examples import Guide
from domain.operations.many.trend import PastCodings
from domain.operations.narrowing import Likeness
from domain.operations.work import Work
from domain.ports import Anonymiser, FrameworkCatalogue
from domain.privacy.hiding import Hiding
from schemas.operations import Operation
from schemas.records import FeedbackRecordSubmitted
from schemas.requests import AnalysisRequested, SummaryRequested


class Submitted:
    """Fulfils `Inputs` for what the CRM submits.

    Attributes:
        parts: where the parts of requests wait for each other.
    """

    def __init__(
        self,
        catalogue: FrameworkCatalogue,
        settings: DeliverySettings,
        *,
        anonymiser: Anonymiser | None = None,
        guide: Guide | None = None,
        likeness: Likeness | None = None,
        past_codings: PastCodings | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hiding = Hiding(anonymiser)
        self._requests = Requests(self._hiding, settings, past_codings, now=now, monotonic=monotonic)
        self.parts = self._requests.parts
        self._catalogue = catalogue
        self._guide = guide or Guide()
        self._codings = Codings(settings, likeness)
        self._wait = FrameworkWait(
            catalogue,
            wait_seconds=settings.framework_wait_seconds,
            grace_seconds=settings.framework_grace_seconds,
            now=now,
        )

    async def read(self, job: Job) -> None:
        """See `Inputs`."""
        event = decode(job.message)
        if isinstance(event, FeedbackRecordSubmitted):
            event, job.hidden = await self._hiding.of_record(event)
        job.event = event

    def assignments(self, job: Job) -> Sequence[Assignment]:
        """See `Inputs`."""
        event = job.event
        if isinstance(event, FeedbackRecordSubmitted):
            asked = asked_again(job.message.headers, event.requested_operations)
            return [self._of_record(job, event, Operation(one.value)) for one in asked]
        if isinstance(event, (AnalysisRequested, SummaryRequested)):
            return [self._requests.assignment(job, event)]
        return []

    def _of_record(self, job: Job, record: FeedbackRecordSubmitted, operation: Operation) -> Assignment:
        """Of the three that a record may ask for."""
        if operation is Operation.SUMMARIZE:
            return _at_once(operation, partial(questions.summary, record))
        if operation is Operation.DETECT_SENSITIVE:
            return _at_once(operation, partial(questions.sensitivity, record))
        known = self._catalogue.find(record.tenant_id, record.framework_id or "") is not None
        return Assignment(operation, partial(self._coding, job, record), waits=not known)

    async def _coding(self, job: Job, record: FeedbackRecordSubmitted) -> Work:
        framework = await self._wait.framework(record.tenant_id, record.framework_id or "", job.message.timestamp)
        guidance = await self._guide.guidance(record)
        return await self._codings.work(record, framework, guidance.lessons, guidance.examples)


def _at_once(operation: Operation, make: Callable[[], Work]) -> Assignment:
    async def work() -> Work:
        return make()

    return Assignment(operation, work)
