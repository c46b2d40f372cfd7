"""Sending a result: to which topic, under which key."""

from datetime import datetime
from uuid import UUID, uuid4

from domain.ports import OutboundMessage
from schemas.base import Event
from schemas.cloudevents import InputIdentity, deterministic_id, headers_for
from schemas.operations import Operation
from schemas.results import (
    AnalysisCompleted,
    CodesAssigned,
    RecordsSummarized,
    RecordSummarized,
    Result,
    SensitivityDetected,
)
from schemas.topics import ANALYSES, CODE_ASSIGNMENTS, SENSITIVITY, SUMMARIES, Topic

_TOPICS: dict[type[Result], Topic] = {
    CodesAssigned: CODE_ASSIGNMENTS,
    RecordSummarized: SUMMARIES,
    RecordsSummarized: SUMMARIES,
    SensitivityDetected: SENSITIVITY,
    AnalysisCompleted: ANALYSES,
}
_OF_OPERATIONS: dict[Operation, Topic] = {
    Operation.ASSIGN_CODES: CODE_ASSIGNMENTS,
    Operation.SUMMARIZE: SUMMARIES,
    Operation.SUMMARIZE_AGGREGATE: SUMMARIES,
    Operation.DETECT_SENSITIVE: SENSITIVITY,
    Operation.ANALYZE: ANALYSES,
}


def result_id(identity: InputIdentity, operation: str) -> UUID:
    """The id of what an operation on an input comes to: a result or, where there is none, a dead letter."""
    return deterministic_id(identity.event_id, operation)


def outbound(result: Result, key: str, trace_id: str) -> OutboundMessage:
    """The result as it is sent: `ce_id` is its result id, the same for every repeat of it.

    Args:
        result: what an operation came to.
        key: the id of the record or request that it is about.
        trace_id: of the input.
    """
    headers = headers_for(result, str(result.result_id), trace_id, result.completed_at)
    return OutboundMessage(_TOPICS[type(result)].name, key.encode(), result.to_bytes(), headers)


def progress(event: Event, operation: Operation, key: str, trace_id: str, now: datetime) -> OutboundMessage:
    """Word of how far an operation is, on the topic of its result. It has no lasting id: each one is news."""
    headers = headers_for(event, str(uuid4()), trace_id, now)
    return OutboundMessage(_OF_OPERATIONS[operation].name, key.encode(), event.to_bytes(), headers)
