"""Requests over many records, whole or in parts: from the message to the work."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

from domain.delivery.inputs import Assignment
from domain.delivery.job import Job
from domain.delivery.parts import PartsRegister, answers_of
from domain.delivery.settings import DeliverySettings
from domain.operations.many.analysis import Analysis
from domain.operations.many.summarize_aggregate import SummaryOfMany
from domain.operations.many.trend import PastCodings
from domain.operations.work import Work
from domain.privacy.hiding import Hiding
from schemas.operations import Operation
from schemas.requests import AnalysisRequested, SummaryRequested


class Requests:
    """What requests ask for.

    Attributes:
        parts: where the parts of requests wait for each other.
    """

    def __init__(
        self,
        hiding: Hiding,
        settings: DeliverySettings,
        codings: PastCodings | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hiding = hiding
        self._limits = settings.many
        self._codings = codings
        self.parts = PartsRegister(settings.parts, now=now, monotonic=monotonic)

    def assignment(self, job: Job, request: AnalysisRequested | SummaryRequested) -> Assignment:
        """The one operation that a request asks for; a part waits for the others."""
        job.answers = answers_of(request, job.identity)
        analysis = isinstance(request, AnalysisRequested)
        operation = Operation.ANALYZE if analysis else Operation.SUMMARIZE_AGGREGATE
        work = partial(self._work, job)
        if request.part is None:
            return Assignment(operation, work)
        return Assignment(operation, work, waits=True, around=partial(self._whole, job, request))

    @asynccontextmanager
    async def _whole(self, job: Job, request: AnalysisRequested | SummaryRequested) -> AsyncIterator[bool]:
        async with self.parts.whole(job.message, request) as whole:
            if whole is not None:
                job.event, job.sources = whole.request, tuple(message.source for message in whole.messages)
            yield whole is not None

    async def _work(self, job: Job) -> Work | None:
        if isinstance(job.event, AnalysisRequested):
            analysis, job.hidden = await self._hiding.of_request(job.event)
            return Analysis(analysis, self._limits, self._codings)
        if isinstance(job.event, SummaryRequested):
            summary, job.hidden = await self._hiding.of_request(job.event)
            return SummaryOfMany(summary, self._limits, self._codings)
        return None
