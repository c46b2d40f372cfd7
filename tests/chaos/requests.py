"""Requests over many records, whole or in parts, as a case publishes them and keeps them as inputs."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from domain.delivery.parts import answers_of
from domain.delivery.parts_group import Request
from schemas.cloudevents import InputIdentity
from schemas.requests import AnalysisRequested, SummaryRequested
from schemas.topics import REQUESTS
from tests.builders import TENANT, an_analysis_request
from tests.chaos.evidence import Input
from tests.chaos.inputs import Headers
from tests.chaos.ledger import mark
from tests.chaos.stage import Stage

TOKEN_BUDGET = 2_000
"""Of one prompt: about fifteen records of 300 characters, so that a few dozen make several chunks."""
CALLS_AT_ONCE = 4
SETTINGS: dict[str, object] = {"REQUEST_TOKEN_BUDGET": TOKEN_BUDGET, "REQUEST_CALLS_AT_ONCE": CALLS_AT_ONCE}
"""Of a worker, so that small requests are large ones."""
_WORDS = ("the tap is dry", "the clinic is far away", "the road is under water", "the school has no roof")


@dataclass(frozen=True)
class Asked:
    """A request, and what it is published as: itself, or its parts.

    Attributes:
        messages: in the order of their numbers.
        operation: what it asks for.
        known: what is known of each message beforehand, see `Inputs.publish_value`.
    """

    messages: tuple[Request, ...]
    operation: str
    known: dict[str, Any]

    @property
    def request_id(self) -> str:
        """Its id, and its key."""
        return self.messages[0].request_id


class Requests:
    """Makes requests of a case's own, each with its mark and the canary in every record, and publishes them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._number = 0

    def a_request(
        self, records: int, parts: int = 0, text: str = "", *, summary: bool = False, mode: str = "auto"
    ) -> Asked:
        """A request with so many records with `text`, whole (0), or in so many parts of about the same size."""
        number, self._number = self._number, self._number + 1
        request_id = f"{self._stage.group}-ask-{number}"
        contents = [self._record(request_id, each, text) for each in range(records)]
        made: type[Request] = SummaryRequested if summary else AnalysisRequested
        given = an_analysis_request(request_id=request_id, records=contents, mode=mode).model_dump(mode="json")
        fields = {name: value for name, value in given.items() if name in made.model_fields}
        pieces = [contents[each::parts] for each in range(parts)] or [contents]
        messages = tuple(
            made.model_validate(fields | {"records": piece, "part": {"number": each, "of": parts} if parts else None})
            for each, piece in enumerate(pieces, 1)
        )
        known: dict[str, Any] = {"calls_at_once": CALLS_AT_ONCE}
        if parts:
            known["answers"] = answers_of(messages[0], InputIdentity("", "")).event_id
        return Asked(messages, "summarize_aggregate" if summary else "analyze", known)

    async def publish(
        self,
        asked: Asked,
        numbers: Iterable[int] | None = None,
        *,
        reason: str | None = None,
        headers: Headers | None = None,
        partition: int | None = None,
    ) -> list[Input]:
        """Publish these parts of it, in this order, all by default; `reason` as with `Inputs.publish_value`."""
        chosen: Sequence[int] = range(1, len(asked.messages) + 1) if numbers is None else tuple(numbers)
        return [
            await self._stage.inputs.publish_value(
                asked.messages[number - 1].to_bytes(),
                reason=reason,
                operations=(asked.operation,),
                tenant=TENANT,
                key=asked.request_id.encode(),
                headers=headers,
                partition=partition,
                topic=REQUESTS.name,
                **asked.known,
            )
            for number in chosen
        ]

    async def publish_all(self, asked: Iterable[Asked]) -> list[Input]:
        """Publish all messages of these, requests at the same time and the parts of each one after the other."""
        sent = await asyncio.gather(*(self.publish(each) for each in asked))
        return [given for each in sent for given in each]

    def _record(self, request_id: str, number: int, text: str) -> dict[str, Any]:
        said = (
            f"Report {number}: {_WORDS[number % len(_WORDS)]}. {self._stage.inputs.canary} {mark(request_id)} {text} "
        )
        return {"record_id": f"r{number}", "content": (said + "It is so. " * 30)[:300]}
