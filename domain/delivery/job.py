"""One input on its way from Kafka to its outcomes."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

from domain.delivery.decoding import InputEvent
from domain.delivery.messages import InboundMessage
from domain.delivery.places import Place
from domain.privacy.anonymised import Anonymised, untouched
from schemas.cloudevents import InputIdentity
from schemas.operations import Operation
from schemas.results import Result
from schemas.sources import Source


@dataclass(eq=False, slots=True)
class Job:
    """What is known of an input, and what it has taken so far.

    Attributes:
        message: the input as it came.
        identity: what tells it from others; its dead letters' ids derive from it.
        place: its place among those at work.
        answers: what its results' ids derive from: its identity, or that of the input which it completes.
        sources: where it stands on Kafka, together with the inputs that it completes.
        event: what it says, once it was read.
        hidden: what a model must not see of it, and the way back.
        receipts: acknowledgements of its LLM-call events, to be awaited.
        attempts: LLM calls made, by operation.
    """

    message: InboundMessage
    identity: InputIdentity
    place: Place
    answers: InputIdentity = field(init=False)
    sources: tuple[Source, ...] = field(init=False)
    event: InputEvent | Result | None = None
    hidden: Anonymised = field(default_factory=partial(untouched, ()))
    receipts: list[asyncio.Future[None]] = field(default_factory=list)
    attempts: dict[Operation | None, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answers = self.identity
        self.sources = (self.message.source,)
