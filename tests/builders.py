"""Valid events and messages, with what matters to a test named and the rest filled in."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

from domain.delivery.messages import InboundMessage
from domain.llm.calls import Attempt, Invocation, Prompt
from schemas.base import Event
from schemas.frameworks import Code, CodingFramework
from schemas.records import FeedbackRecordSubmitted
from schemas.requests import AnalysisRequested, SummaryRequested

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
TENANT = "red-hill"
FRAMEWORK = "community-feedback"
_offsets = count()


def a_record(**fields: Any) -> FeedbackRecordSubmitted:
    """A record that asks for a coding with `a_framework()` and a summary."""
    defaults = {
        "tenant_id": TENANT,
        "record_id": "record-1",
        "content": "The water point near the school has been dry for two weeks.",
        "framework_id": FRAMEWORK,
    }
    return FeedbackRecordSubmitted.model_validate({**defaults, **fields})


def a_code(code_id: str, *children: Code, **fields: Any) -> Code:
    """A code named after its id."""
    return Code.model_validate(
        {"id": code_id, "name": code_id.replace("-", " ").title(), "children": children} | fields
    )


def a_framework(*root_codes: Code, **fields: Any) -> CodingFramework:
    """A framework of three levels; position 1.1.1 is `dry-water-point`, 1.1.2 `dirty-water`, 2 `thanks`."""
    water = a_code(
        "water",
        a_code("dry-water-point", description="No water comes.", examples=("The tap is dry.", "No water since May.")),
        a_code("dirty-water"),
    )
    defaults = {
        "tenant_id": TENANT,
        "framework_id": FRAMEWORK,
        "version": "1",
        "root_codes": root_codes or (a_code("services", water), a_code("thanks", description="Praise & thanks.")),
    }
    return CodingFramework.model_validate({**defaults, **fields})


def an_analysis_request(**fields: Any) -> AnalysisRequested:
    """A question over two records."""
    defaults = {
        "tenant_id": TENANT,
        "request_id": "request-1",
        "instruction": "What do people say about water?",
        "records": [{"record_id": "a", "content": "The tap is dry."}, {"record_id": "b", "content": "Thanks!"}],
    }
    return AnalysisRequested.model_validate({**defaults, **fields})


def a_summary_request(**fields: Any) -> SummaryRequested:
    """A summary over one record."""
    defaults = {"tenant_id": TENANT, "request_id": "request-2", "records": [{"record_id": "a", "content": "Dry tap."}]}
    return SummaryRequested.model_validate({**defaults, **fields})


def a_message(
    value: Event | Mapping[str, Any] | bytes | None = None,
    *,
    topic: str = "feedback.records",
    partition: int = 0,
    offset: int | None = None,
    key: bytes | None = b"key",
    timestamp: datetime | None = None,
    headers: tuple[tuple[str, bytes | None], ...] = (),
) -> InboundMessage:
    """An input as it stands on Kafka; a new offset each time."""
    if isinstance(value, Event):
        value = value.to_bytes()
    elif isinstance(value, Mapping):
        value = json.dumps(value).encode()
    return InboundMessage(
        topic, partition, next(_offsets) if offset is None else offset, timestamp, key, value, headers
    )


def an_invocation(**fields: Any) -> Invocation:
    """An invocation of a summary, with two minutes."""
    defaults: dict[str, Any] = {
        "invocation_id": uuid4(),
        "tenant_id": TENANT,
        "operation": "summarize",
        "started_at": NOON,
        "deadline_seconds": 120.0,
        "record_id": "record-1",
    }
    return Invocation(**{**defaults, **fields})


def an_attempt(number: int = 1, **fields: Any) -> Attempt:
    """The first attempt of an invocation; `fields` are the invocation's."""
    return Attempt(an_invocation(**fields), number, "summarize.v1")


def a_prompt(**fields: Any) -> Prompt:
    """A prompt of a summary."""
    defaults: dict[str, Any] = {
        "operation": "summarize",
        "version": "summarize.v1",
        "system": "Task: summarize\nSummarise.",
        "user": "<feedback_record>\nThe tap is dry.\n</feedback_record>",
        "max_output_tokens": 100,
    }
    return Prompt(**{**defaults, **fields})
