"""What a case publishes, and keeps as acknowledged: records of our own making, and any bytes at all."""

import asyncio
import secrets
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from typing import Any

from aiokafka import AIOKafkaProducer

from schemas.cloudevents import identify
from schemas.topics import RECORDS, REQUESTS
from tests.builders import TENANT, a_record
from tests.chaos.evidence import Input, Partition
from tests.chaos.ledger import mark
from tests.chaos.sightings import Sightings
from tests.integration.system_support import PARTITIONS

TOPICS = (RECORDS.name, REQUESTS.name)
BOTH = ("assign_codes", "summarize")
Headers = tuple[tuple[str, bytes], ...]


@dataclass
class Inputs:
    """Publishes, and remembers what was acknowledged.

    Attributes:
        group: names this case's records.
        canary: stands in the text of every record, and nowhere else.
        sent: what the broker acknowledged.
    """

    producer: AIOKafkaProducer
    sightings: Sightings
    group: str
    canary: str
    sent: list[Input] = field(default_factory=list)
    _number: int = 0
    _partitions: dict[str, set[Partition]] = field(default_factory=dict)  # by event id

    async def publish(
        self,
        count: int,
        text: str = "",
        *,
        operations: tuple[str, ...] = BOTH,
        reason: str | None = None,
        partition: int | None = None,
        headers: Headers | None = None,
        **fields: object,
    ) -> list[Input]:
        """Publish so many records, over all partitions in turn, each with the canary and `text`; all acknowledged.

        `reason` says that each becomes a dead letter of that kind, one for each operation.
        """
        sent = []
        for _ in range(count):
            number, self._number = self._number, self._number + 1
            record_id = f"{self.group}-{number}"
            content = f"Report {number}: the tap is dry. {self.canary} {mark(record_id)} {text}"
            given = {"record_id": record_id, "content": content, "operations": operations} | fields
            sent.append(
                await self._send(
                    RECORDS.name,
                    a_record(**given).to_bytes(),
                    record_id.encode(),
                    operations,
                    TENANT,
                    reason,
                    headers,
                    number % PARTITIONS if partition is None else partition,
                )
            )
        return list(await asyncio.gather(*sent))

    async def publish_value(
        self,
        value: bytes | None,
        *,
        reason: str | None = None,
        operations: tuple[str, ...] = (),
        tenant: str | None = None,
        key: bytes | None = b"k",
        headers: Headers | None = None,
        topic: str = RECORDS.name,
        partition: int | None = None,
        **known: Any,
    ) -> Input:
        """Publish bytes as they are: what they must become is said by `reason`, or by `operations`.

        `known` is what else is known of the `Input`, by its names.
        """
        return await (await self._send(topic, value, key, operations, tenant, reason, headers, partition, **known))

    def open_on(self, partitions: Iterable[Partition], most: int) -> int:
        """How many inputs on these partitions have not all of their outcomes yet, counted up to `most`."""
        places = set(partitions)
        if not places:
            return 0
        there = (event for event in self.sightings.open if not places.isdisjoint(self._partitions.get(event, ())))
        return sum(1 for _ in islice(there, most))

    def give_up(self, gone: Iterable[Input]) -> None:
        """Nobody is to answer these: what the case did took them away before they were read."""
        for given in list(gone):
            self.sent[self.sent.index(given)] = replace(given, skipped=True)
            self.sightings.open.pop(given.event_id, None)

    def judge(self, message: Any, tenant: str) -> None:
        """A result that came out is an input of the judge: it owes one judgement, however often the result comes."""
        place = (message.topic, message.partition, message.offset)
        event_id = identify(message.topic, message.key, message.value, message.headers).event_id
        given = Input(place, event_id, tenant, ("judge",), sha256(message.value).hexdigest())
        again = event_id in self._partitions
        self.sent.append(given)
        self._partitions.setdefault(event_id, set()).add(place[:2])
        if not again:
            self.sightings.expect(given)

    async def _send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        operations: tuple[str, ...],
        tenant: str | None,
        reason: str | None,
        headers: Headers | None,
        partition: int | None,
        **known: Any,
    ) -> Awaitable[Input]:
        if headers is None:
            headers = (("ce_source", self.group.encode()), ("ce_id", secrets.token_hex(8).encode()))
        future = await self.producer.send(topic, value, key=key, headers=list(headers), partition=partition)
        event_id = identify(topic, key, value, headers).event_id
        digest = None if value is None else sha256(value).hexdigest()

        async def acknowledged() -> Input:
            told = await future
            place = (told.topic, told.partition, told.offset)
            given = Input(place, event_id, tenant, operations, digest, reason, **known)
            self.sent.append(given)
            self._partitions.setdefault(event_id, set()).add(place[:2])
            if topic in TOPICS:
                self.sightings.expect(given)
            return given

        return asyncio.ensure_future(acknowledged())
