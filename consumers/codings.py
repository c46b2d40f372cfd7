"""`feedback.code-assignments` and `feedback.corrections` -> the tables `codings` and `corrections`, by one reader."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from consumers.batches import Progress, Table, Tables
from consumers.settings import TableConsumerSettings
from consumers.tables import consume
from domain.delivery.decoding import read_event
from domain.delivery.messages import InboundMessage
from domain.errors import WrongSchemaError
from domain.ports import CodingSink, CorrectionSink, EventPublisher, IdentifiedCorrection, TopicIds
from schemas.base import PLAUSIBLE_YEARS
from schemas.cloudevents import identify
from schemas.corrections import CodesCorrected
from schemas.results import CodesAssigned
from schemas.topics import CODE_ASSIGNMENTS, CORRECTIONS


@dataclass(frozen=True, slots=True)
class CodingConsumerSettings(TableConsumerSettings):
    """How codings and corrections are read.

    Attributes:
        codings, corrections: the two topics.
    """

    codings: str = CODE_ASSIGNMENTS.name
    corrections: str = CORRECTIONS.name


async def consume_codings(
    settings: CodingConsumerSettings,
    codings: CodingSink,
    corrections: CorrectionSink,
    publisher: EventPublisher,
    stop: asyncio.Event,
    progress: Progress | None = None,
    topic_ids: TopicIds | None = None,
) -> Progress:
    """Store codings and corrections until `stop` is set: `consumers.tables.consume` says how, and what it raises."""
    tables: Tables = {
        settings.codings: Table("coding", decode_coding, codings),
        settings.corrections: Table("correction", decode_correction, corrections),
    }
    return await consume("codings and corrections", settings, tables, publisher, stop, progress, topic_ids)


def decode_coding(message: InboundMessage) -> CodesAssigned:
    """The coding that a message carries.

    Raises:
        InputError: it carries none; the subclass has the reason, the message no word of the input.
    """
    coding = read_event(message.value, CodesAssigned)
    if coding.completed_at.year not in PLAUSIBLE_YEARS:  # the calendar's ends would be stored as infinities
        years = f"{PLAUSIBLE_YEARS[0]} to {PLAUSIBLE_YEARS[-1]}"
        raise WrongSchemaError(f"Not a valid CodesAssigned: `completed_at` must be of the years {years}.")
    return coding


def decode_correction(message: InboundMessage) -> IdentifiedCorrection:
    """The correction that a message carries, with the id of its event: the same whenever it is delivered again.

    Raises:
        InputError: as `decode_coding`.
    """
    correction = read_event(message.value, CodesCorrected)
    identity = identify(message.topic, message.key, message.value, message.headers)
    return IdentifiedCorrection(UUID(identity.event_id), correction)
