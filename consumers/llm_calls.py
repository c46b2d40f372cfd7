"""`llm.calls` -> the table `llm_calls`: `consumers.tables` for LLM calls."""

import asyncio
from dataclasses import dataclass

from consumers.batches import Progress, Table, Tables
from consumers.decoding import decode
from consumers.settings import TableConsumerSettings
from consumers.tables import consume
from domain.ports import EventPublisher, LLMCallSink, TopicIds
from domain.usage.freshness import PositionSink
from schemas.topics import LLM_CALLS


@dataclass(frozen=True, slots=True)
class LLMCallConsumerSettings(TableConsumerSettings):
    """How `llm.calls` is read.

    Attributes:
        topic: the topic.
    """

    topic: str = LLM_CALLS.name


def llm_call_tables(sink: LLMCallSink, topic: str = LLM_CALLS.name) -> Tables:
    """The one table, of the one topic."""
    return {topic: Table("LLM call", lambda message: decode(message.value), sink)}


async def consume_llm_calls(
    settings: LLMCallConsumerSettings,
    sink: LLMCallSink,
    publisher: EventPublisher,
    stop: asyncio.Event,
    progress: Progress | None = None,
    topic_ids: TopicIds | None = None,
    positions: PositionSink | None = None,
) -> Progress:
    """Store LLM calls until `stop` is set: `consumers.tables.consume` says how, and what it raises."""
    tables = llm_call_tables(sink, settings.topic)
    return await consume("LLM calls", settings, tables, publisher, stop, progress, topic_ids, positions)
