"""Asking a model about every record of a sample, by the same code as a worker, without Kafka."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from domain.delivery.messages import InboundMessage
from domain.errors import FeedbackError, ProviderUnusableError, UserError
from domain.llm.routing import Routing
from runtime import wiring
from runtime.evaluation.collected import Collected
from runtime.evaluation.labels import Labelled
from runtime.evaluation.scoring import BEST
from runtime.settings import Settings
from runtime.wiring.answering import Aids, answering
from schemas.frameworks import CodingFramework, framework_key
from schemas.topics import RECORDS

_NO_AIDS = Aids()


class GaveUpError(FeedbackError):
    """For too long no record was done: the provider is down, as a rule."""

    def __init__(self, seconds: float, left: int) -> None:
        super().__init__(
            f"Gave up: no record was done for {seconds:g} seconds, and {left:,} are left. Look whether the provider "
            "answers and evaluate again, or wait longer with --give-up-after SECONDS (0: for ever)."
        )


class Handler(Protocol):
    """A worker's `Delivery`, as far as it is needed here."""

    async def ready_for_more(self) -> None: ...
    async def handle(self, message: InboundMessage) -> object: ...


class GivenFrameworks:
    """Fulfils FrameworkCatalogue: what the files hold, and nothing comes later."""

    def __init__(self, frameworks: Sequence[CodingFramework]) -> None:
        self._frameworks = {framework.key: framework for framework in frameworks}

    def find(self, tenant_id: str, framework_id: str) -> CodingFramework | None:
        """See `FrameworkCatalogue`."""
        return self._frameworks.get(framework_key(tenant_id, framework_id))

    async def changed(self) -> None:
        """See `FrameworkCatalogue`: never."""
        await asyncio.Event().wait()


def handler_of(
    settings: Settings,
    routing: Routing,
    frameworks: Sequence[CodingFramework],
    collected: Collected,
    helped: Aids = _NO_AIDS,
) -> Handler:
    """What a worker answers with, its results collected. As many failures as there are, it goes on."""
    # A failure shall count as one: each record is answered or named, however many of them fail.
    every_one = replace(wiring.delivery_settings(settings), dead_letter_share=1.0)
    return answering(routing, collected, GivenFrameworks(frameworks), every_one, helped)


class Answering:
    """All records, as many at once as a worker has.

    Attributes:
        done: the lines that are over, each with its results or failures in `Collected`.
        seconds: how long it took, so far.
    """

    def __init__(self, records: Sequence[Labelled], clock: Callable[[], float] = time.perf_counter) -> None:
        self.records = records
        self.done: set[int] = set()
        self._clock = clock
        self._began: float | None = None
        self._ended = 0.0

    @property
    def seconds(self) -> float:
        """From the first question to the latest answer."""
        return 0.0 if self._began is None else self._ended - self._began

    async def run(self, handler: Handler, tell: Callable[[int], None], give_up_after: float = 0.0) -> None:
        """Answer them; `tell` hears how many are done whenever one is.

        Args:
            handler: answers.
            tell: see above.
            give_up_after: seconds without a record done; 0: however long it takes.

        Raises:
            GaveUpError: it took so long.
            UserError: the provider refuses everything: a wrong key, an unknown model.
            WorkerHaltedError, BugError: going on makes no sense.
        """
        self._began = self._ended = self._clock()
        loop, patience = asyncio.get_running_loop(), asyncio.timeout(give_up_after or None)

        def one_more(done: int) -> None:
            if give_up_after and not patience.expired():
                patience.reschedule(loop.time() + give_up_after)
            tell(done)

        try:
            async with patience:
                await self._all(handler, one_more)
        except TimeoutError:
            if not patience.expired():
                raise
            raise GaveUpError(give_up_after, len(self.records) - len(self.done)) from None

    async def _all(self, handler: Handler, tell: Callable[[int], None]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for one in self.records:
                    await handler.ready_for_more()
                    group.create_task(self._answer(handler, one, tell))
        except BaseExceptionGroup as failed:
            error = failed.exceptions[0]
            if isinstance(error, ProviderUnusableError):
                raise UserError(error.message, "Correct LLM_API_KEY, LLM_API_BASE or the model's name.") from None
            raise error from None

    async def _answer(self, handler: Handler, one: Labelled, tell: Callable[[int], None]) -> None:
        await handler.handle(message_of(one))
        self.done.add(one.record.line)
        self._ended = self._clock()
        tell(len(self.done))


def message_of(one: Labelled) -> InboundMessage:
    """A record as a CRM would publish it, but for what a model must not learn from: its id and all of its metadata.

    Its line takes the place of its id and of its offset.
    """
    record = one.record
    name = str(record.line)
    payload = {key: value for key, value in record.payload.items() if key != "metadata"}
    payload |= {"record_id": name, "max_codes": BEST, "confidence_threshold": 0.0}
    value = json.dumps(payload, ensure_ascii=False).encode()
    return InboundMessage(RECORDS.name, 0, record.line, None, name.encode(), value)
