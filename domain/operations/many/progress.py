"""Telling how far the work on a request is, and not too often."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from domain.operations.work import Steps
from schemas.progress import AnalysisProgressed, Progressed, SummaryProgressed
from schemas.requests import AnalysisRequested, SummaryRequested


class Progress:
    """Counts the steps of one request.

    The first and the last word of a stage are always told; between two others there is the time that the limits say.
    """

    def __init__(
        self,
        steps: Steps,
        request: AnalysisRequested | SummaryRequested,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._steps = steps
        self._request = request
        self._seconds = seconds
        self._clock, self._now = clock, now
        self._event = AnalysisProgressed if isinstance(request, AnalysisRequested) else SummaryProgressed
        self._stage: Literal["map", "reduce"] = "map"
        self._done = self._total = self._read = 0
        self._told = -float("inf")

    async def reading(self, chunks: int) -> None:
        """The chunks begin to be read."""
        self._total = chunks
        await self._tell()

    async def read(self, records: int) -> None:
        """A chunk is done; `records` of it were read, 0 where it failed."""
        self._done += 1
        self._read += records
        await self._tell_perhaps()

    async def reducing(self, groups: int) -> None:
        """So many groups more are to be put together."""
        if self._stage == "map":
            self._stage, self._done, self._total = "reduce", 0, 0
        self._total += groups
        await self._tell()

    async def reduced(self) -> None:
        """A group was put together."""
        self._done += 1
        await self._tell_perhaps()

    async def _tell_perhaps(self) -> None:
        if self._done == self._total or self._clock() - self._told >= self._seconds:
            await self._tell()

    async def _tell(self) -> None:
        self._told = self._clock()
        await self._steps.tell(self._request.request_id, self._word())

    def _word(self) -> Progressed:
        return self._event(
            tenant_id=self._request.tenant_id,
            request_id=self._request.request_id,
            stage=self._stage,
            done=self._done,
            total=self._total,
            records_read=self._read,
            records_given=len(self._request.records),
            at=self._now(),
        )
