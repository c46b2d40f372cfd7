"""What the decisions need from the world outside, as Protocols. Adapters fulfil them; tests have fakes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from schemas.frameworks import CodingFramework
from schemas.llm_calls import LLMCall


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
    """What became of a batch of LLM calls.

    Attributes:
        inserted: how many rows are new; repeats of a known `call_id` are not.
        refused: positions in the batch, ascending, of the calls whose rows the store can never take.
    """

    inserted: int
    refused: tuple[int, ...] = ()


class LLMCallSink(Protocol):
    """Stores LLM calls, each `call_id` once."""

    async def write(self, batch: Sequence[LLMCall]) -> BatchOutcome:
        """Return once every call of the batch is stored for good, was stored before, or is named as refused.

        Raises:
            SinkUnavailableError: the store cannot take rows now; part of the batch may be stored. Write it again.
        """
        ...
