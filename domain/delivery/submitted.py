"""Feedback records and requests: which operations they ask for, and what each of them has to wait for."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from domain.delivery.decoding import decode
from domain.delivery.inputs import Assignment
from domain.delivery.job import Job
from domain.delivery.replays import asked_again
from domain.delivery.settings import DeliverySettings
from domain.delivery.waiting import FrameworkWait
from domain.errors import OperationUnavailableError
from domain.operations import questions
from domain.operations.outline import Outlines
from domain.operations.work import Work
from domain.ports import FrameworkCatalogue
from schemas.operations import Operation
from schemas.records import FeedbackRecordSubmitted
from schemas.requests import AnalysisRequested


class Submitted:
    """Fulfils `Inputs` for what the CRM submits."""

    def __init__(
        self,
        catalogue: FrameworkCatalogue,
        settings: DeliverySettings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._catalogue = catalogue
        self._outlines = Outlines(settings.framework_token_budget)
        self._wait = FrameworkWait(
            catalogue,
            wait_seconds=settings.framework_wait_seconds,
            grace_seconds=settings.framework_grace_seconds,
            now=now,
        )

    async def read(self, job: Job) -> None:
        """See `Inputs`."""
        job.event = decode(job.message)

    def assignments(self, job: Job) -> Sequence[Assignment]:
        """See `Inputs`."""
        event = job.event
        if isinstance(event, FeedbackRecordSubmitted):
            asked = asked_again(job.message.headers, event.requested_operations)
            return [self._of_record(job, event, Operation(one.value)) for one in asked]
        if isinstance(event, AnalysisRequested):
            return [_at_once(Operation.ANALYZE, partial(questions.analysis, event))]
        return [_at_once(Operation.SUMMARIZE_AGGREGATE, partial(_unavailable, Operation.SUMMARIZE_AGGREGATE))]

    def _of_record(self, job: Job, record: FeedbackRecordSubmitted, operation: Operation) -> Assignment:
        if operation is Operation.SUMMARIZE:
            return _at_once(operation, partial(questions.summary, record))
        if operation is Operation.ASSIGN_CODES:
            known = self._catalogue.find(record.tenant_id, record.framework_id or "") is not None
            return Assignment(operation, partial(self._coding, job, record), waits=not known)
        return _at_once(operation, partial(_unavailable, operation))

    async def _coding(self, job: Job, record: FeedbackRecordSubmitted) -> Work:
        framework = await self._wait.framework(record.tenant_id, record.framework_id or "", job.message.timestamp)
        return questions.coding(record, self._outlines.of(framework))


def _at_once(operation: Operation, make: Callable[[], Work]) -> Assignment:
    async def work() -> Work:
        return make()

    return Assignment(operation, work)


def _unavailable(operation: Operation) -> Any:
    raise OperationUnavailableError(f"This release does not carry out {operation.value}.")
