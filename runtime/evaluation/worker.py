"""The one model of an evaluation as a worker has it, with what it has learned before the first record."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from domain.corrections import MAX_LESSONS, LessonsCatalogue
from domain.delivery.messages import InboundMessage
from runtime.evaluation.answering import Handler, handler_of
from runtime.evaluation.collected import Collected
from runtime.settings import Settings
from runtime.wiring.answering import Aids, aids, one_model
from runtime.wiring.corrections import models_learn
from runtime.wiring.parts import llm_settings
from schemas.frameworks import CodingFramework
from schemas.operations import RecordOperation
from schemas.records import FeedbackRecordSubmitted
from schemas.topics import RECORDS

_OURS = "Where can we get water?"


def alone(settings: Settings) -> Settings:
    """The settings with LLM_MODEL for everything: what is evaluated is one model."""
    others = ("llm_models", "llm_fallback_model", "llm_fallback_api_key", "llm_fallback_api_base")
    return settings.model_copy(update=dict.fromkeys(others))


@asynccontextmanager
async def worker_of(
    settings: Settings,
    frameworks: Sequence[CodingFramework],
    collected: Collected,
    lessons: LessonsCatalogue | None = None,
) -> AsyncIterator[Handler]:
    """What a worker answers with, its results collected. As many failures as there are, it goes on.

    Args:
        settings: with one model, see `alone`.
        frameworks: of the records.
        collected: gets what comes out.
        lessons: what it has learned, all of it, before the context is entered; None: nothing.

    Raises:
        UserError: the model cannot be used as it is set.
    """
    async with aids(settings, lessons=lessons) as helped:
        if lessons is not None:
            await _learn(settings, frameworks, helped)
        async with one_model(settings, llm_settings(settings), collected) as routing:
            yield handler_of(settings, routing, frameworks, collected, helped)


async def _learn(settings: Settings, frameworks: Sequence[CodingFramework], helped: Aids) -> None:
    """Have learned what a worker learns beside its first records; a record of our own sets it off.

    Only a model that learns by itself is asked, about our record, and its call is no part of the evaluation.
    """
    records = [
        FeedbackRecordSubmitted(
            tenant_id=one.tenant_id,
            record_id="0",
            content=_OURS,
            framework_id=one.framework_id,
            operations=(RecordOperation.ASSIGN_CODES,),
        )
        for one in frameworks
    ]
    if settings.corrected_examples:
        await _prepare_examples(records, helped)
    if models_learn(settings):
        await _teach(settings, frameworks, records, helped)


async def _prepare_examples(records: Sequence[FeedbackRecordSubmitted], helped: Aids) -> None:
    from adapters.offline.nearest import NEW_AT_ONCE

    for record in records:
        for _ in range(0, MAX_LESSONS, NEW_AT_ONCE):  # so many more are looked through from each record on
            if helped.guide is not None:
                await helped.guide.guidance(record)


async def _teach(
    settings: Settings, frameworks: Sequence[CodingFramework], records: Sequence[FeedbackRecordSubmitted], helped: Aids
) -> None:
    from adapters.offline.engine import shared_engine
    from adapters.offline.learning import School

    engine, nobody = shared_engine(), Collected()
    engine.school = School()  # which learns at once, whatever it learned before
    async with one_model(settings, llm_settings(settings), nobody) as routing:
        handler = handler_of(settings, routing, frameworks, nobody, helped)
        for record in records:
            await handler.handle(InboundMessage(RECORDS.name, 0, 0, None, b"0", record.to_bytes()))
    await asyncio.to_thread(engine.school.settle)
