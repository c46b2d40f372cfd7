"""A CRM, and a real worker on the other side of a real broker, in this process."""

import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from runtime.settings import load_settings
from runtime.wiring import run_worker
from schemas.cloudevents import deterministic_id, identify
from schemas.topics import (
    ANALYSES,
    CODE_ASSIGNMENTS,
    DEAD_LETTERS,
    FRAMEWORKS,
    LLM_CALLS,
    RECORDS,
    SENSITIVITY,
    SUMMARIES,
)
from tests.builders import a_framework
from tests.integration.system_support import Outcomes, in_this_process, publishing, reading
from tests.llm_server import LLMServer, running_llm_server

RESULTS = (CODE_ASSIGNMENTS.name, SUMMARIES.name, SENSITIVITY.name, ANALYSES.name, DEAD_LETTERS.name)


@dataclass
class Crm:
    """Publishes to the topics of inputs and reads what comes of it.

    Attributes:
        source: who it says it is.
        provider: whom the worker asks.
        places: partition and offset of each input.
    """

    source: str
    producer: Any
    outcomes: Outcomes
    provider: LLMServer
    sent: int = 0
    places: list[tuple[int, int]] = field(default_factory=list)

    async def send(
        self,
        value: bytes | dict[str, Any] | None,
        *headers: tuple[str, bytes],
        key: bytes = b"k",
        topic: str = RECORDS.name,
    ) -> str:
        """Publish to partition 0, one after the other; returns the id of the event, as results name it."""
        raw = json.dumps(value).encode() if isinstance(value, dict) else value
        self.sent += 1
        identity = (("ce_source", self.source.encode()), ("ce_id", str(self.sent).encode()))
        given = headers or (*identity, ("x-crm", b"\xff\x00"))
        place = await self.producer.send_and_wait(topic, raw, key=key, partition=0, headers=list(given))
        self.places.append((place.partition, place.offset))
        return identify(topic, key, raw, given).event_id

    async def letter(self, event_id: str, operation: str = "") -> Any:
        """The dead letter of an event, or of one operation on it."""
        return json.loads((await self.outcome(event_id, "dead_letter", operation)).value)

    async def result(self, event_id: str, operation: str) -> Any:
        """The result of an operation on an event."""
        return json.loads((await self.outcome(event_id, operation)).value)

    async def outcome(self, *parts: str) -> Any:
        """The message whose id is made of these parts, once it is there."""
        wanted = str(deterministic_id(*parts)).encode()
        return (await self.outcomes.until(lambda message: dict(message.headers)["ce_id"] == wanted))[0]

    def came(self) -> Counter[str]:
        """How often each outcome came so far, by its id."""
        return Counter(dict(message.headers)["ce_id"].decode() for message in self.outcomes.messages)

    async def assert_answered(self, event_id: str) -> None:
        for operation in ("assign_codes", "summarize"):
            await self.result(event_id, operation)


@asynccontextmanager
async def a_crm(bootstrap: str, name: str, **changes: Any) -> AsyncIterator[Crm]:
    """A CRM that has sent `a_framework()`; its worker, with these settings changed, ends with the block."""
    framework = a_framework()
    async with (
        running_llm_server(LLMServer()) as provider,
        publishing(bootstrap, max_request_size=16 * 2**20, compression_type="gzip") as producer,
        reading(bootstrap, *RESULTS, LLM_CALLS.name) as outcomes,
    ):
        usual: dict[str, Any] = {
            "kafka_bootstrap_servers": bootstrap,
            "worker_group": f"{name}-{secrets.token_hex(4)}",
            "llm_model": "openai/gpt-4o-mini",
            "llm_api_base": provider.base_url,
            "llm_api_key": "sk-local",
            "framework_wait_seconds": 1,
            "drain_seconds": 2,
            "dead_letter_share": 1,
        }
        settings = load_settings(**usual | changes)
        async with in_this_process(partial(run_worker, settings)):
            await producer.send_and_wait(FRAMEWORKS.name, framework.to_bytes(), key=framework.key.encode())
            yield Crm(f"{name}-{secrets.token_hex(4)}", producer, outcomes, provider)
