"""Records by their bytes, for cases to which it matters how they are published: by whom, under which key, how often."""

import asyncio
from typing import Any

from tests.builders import TENANT, a_record
from tests.chaos.evidence import Input
from tests.chaos.inputs import BOTH, Headers
from tests.chaos.ledger import mark
from tests.chaos.stage import Stage


def value_of(stage: Stage, record_id: str, text: str = "", **fields: Any) -> bytes:
    """A record that asks for a coding and a summary, unless `fields` say otherwise."""
    content = f"The tap is dry. {stage.inputs.canary} {mark(record_id)} {text}"
    return a_record(**{"record_id": record_id, "content": content, "operations": BOTH} | fields).to_bytes()


async def send(
    stage: Stage,
    record_id: str,
    text: str = "",
    *,
    reason: str | None = None,
    key: bytes | None = b"k",
    headers: Headers | None = None,
    partition: int | None = None,
    **fields: Any,
) -> Input:
    """Publish one; `reason` says that what fails of it becomes such a dead letter."""
    return await stage.inputs.publish_value(
        value_of(stage, record_id, text, **fields),
        reason=reason,
        operations=fields.get("operations", BOTH),
        tenant=fields.get("tenant_id", TENANT),
        key=key,
        headers=headers,
        partition=partition,
    )


async def while_others_are_answered(stage: Stage, inputs: list[Input], seconds: float = 120) -> None:
    """Publish good records, a few at a time, until each of these inputs has its outcomes."""
    events = {given.event_id for given in inputs}
    async with asyncio.timeout(seconds):
        while not events.isdisjoint(stage.sightings.open):
            await stage.inputs.publish(4)
            await asyncio.sleep(0.5)
