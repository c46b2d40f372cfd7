"""What the decisions need from the world outside, as Protocols. Adapters fulfil them; tests have fakes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from domain.delivery.messages import InboundMessage
from domain.privacy.anonymised import Anonymised
from schemas.corrections import CodesCorrected
from schemas.frameworks import CodingFramework
from schemas.llm_calls import LLMCall
from schemas.results import CodesAssigned
from schemas.sources import Source

Row_contra = TypeVar("Row_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """A message to be sent: topic, key, value and headers as they will stand on Kafka."""

    topic: str
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[tuple[str, bytes | None], ...] = field(repr=False, default=())


class EventPublisher(Protocol):
    """Sends messages durably."""

    async def publish(self, message: OutboundMessage) -> None:
        """Return once the broker has acknowledged the message (all in-sync replicas).

        Raises:
            TooLargeError: the broker or the client refuses the message for its size.
            BrokerUnavailableError: it was not acknowledged in time; it may or may not have arrived.
        """
        ...


class PastMessages(Protocol):
    """Messages that were read before, looked up again."""

    async def at(self, source: Source) -> InboundMessage | None:
        """The message that stands there; None where nothing stands there any more.

        Raises:
            BrokerUnavailableError: Kafka does not let it be read.
        """
        ...


class TopicIds(Protocol):
    """Tells a topic from another one that had its name before."""

    async def of(self, topics: Collection[str]) -> Mapping[str, str]:
        """The ids of these topics, by name; one that does not exist now is left out.

        Raises:
            BrokerUnavailableError: Kafka does not tell.
        """
        ...


class FrameworkCatalogue(Protocol):
    """The coding frameworks that are known now."""

    def find(self, tenant_id: str, framework_id: str) -> CodingFramework | None:
        """The newest version of a tenant's framework, or None."""
        ...

    async def changed(self) -> None:
        """Return when the catalogue has changed after this call was made."""
        ...


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of a batch of rows.

    Attributes:
        inserted: how many rows are new; repeats of a known id are not.
        refused: positions in the batch, ascending, of what the store can never take.
        reasons: why, by position, as a sentence; where it says nothing, it is for a value of the row.
    """

    inserted: int
    refused: tuple[int, ...] = ()
    reasons: Mapping[int, str] = field(default_factory=dict)


class RowSink(Protocol[Row_contra]):
    """Stores rows of one kind, each id once."""

    async def write(self, batch: Sequence[Row_contra]) -> BatchOutcome:
        """Return once every row of the batch is stored for good, was stored before, or is named as refused.

        Raises:
            SinkUnavailableError: the store cannot take rows now; part of the batch may be stored. Write it again.
        """
        ...


class Anonymiser(Protocol):
    """Takes personal data out of texts before a model sees them."""

    async def anonymise(self, texts: Sequence[str], language: str | Sequence[str | None] | None = None) -> Anonymised:
        """The texts with placeholders, numbered over all of them, and the way back.

        The texts are made clean first (`domain.prompts.envelope.bounded`): what is looked at is what a model will see.
        Long work is done off the event loop. The same texts give the same answer every time.

        Args:
            language: BCP 47 tag that somebody stated for all texts, or one for each; a hint, for where a text alone
                cannot tell. What is no such tag counts for nothing.
        """
        ...


LLMCallSink = RowSink[LLMCall]
"""Stores LLM calls, each `call_id` once."""

CodingSink = RowSink[CodesAssigned]
"""Stores codings, each `result_id` once."""


@dataclass(frozen=True, slots=True)
class IdentifiedCorrection:
    """A correction and the id of its event: of the same event it is the same, however often it comes."""

    event_id: UUID
    correction: CodesCorrected


CorrectionSink = RowSink[IdentifiedCorrection]
"""Stores corrections, each `event_id` once, and nothing of their contents."""


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """What is stored of a dead letter: whose, what and why, and nothing of what it carries.

    Attributes:
        dead_letter_id, tenant_id, operation, reason, result_id, failed_at: as in `schemas.dead_letters.DeadLetter`.
        source_topic: the topic of its input.
    """

    dead_letter_id: UUID
    tenant_id: str | None
    operation: str | None
    reason: str
    source_topic: str | None
    result_id: UUID | None
    failed_at: datetime


DeadLetterSink = RowSink[DeadLetterRow]
"""Stores dead letters, each `dead_letter_id` once."""
