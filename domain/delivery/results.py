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
    OverMany,
    RecordsSummarized,
    RecordSummarized,
    Result,
    ResultJudged,
    SensitivityDetected,
)
from schemas.topics import ANALYSES, CODE_ASSIGNMENTS, JUDGEMENTS, SENSITIVITY, SUMMARIES, Topic

Outcome = Result | ResultJudged

_TOPICS: dict[type[Outcome], Topic] = {
    CodesAssigned: CODE_ASSIGNMENTS,
    RecordSummarized: SUMMARIES,
    RecordsSummarized: SUMMARIES,
    SensitivityDetected: SENSITIVITY,
    AnalysisCompleted: ANALYSES,
    ResultJudged: JUDGEMENTS,
}
_OF_PROGRESS: dict[Operation, Topic] = {Operation.SUMMARIZE_AGGREGATE: SUMMARIES, Operation.ANALYZE: ANALYSES}


def result_id(identity: InputIdentity, operation: str) -> UUID:
    """The id of what an operation on an input comes to: a result or, where there is none, a dead letter."""
    return deterministic_id(identity.event_id, operation)


def outbound(outcome: Outcome, trace_id: str) -> OutboundMessage:
    """The result as it is sent: `ce_id` is its id, the same for every repeat of it.

    Args:
        outcome: what an operation came to.
        trace_id: of the input.
    """
    made_as = outcome.judgement_id if isinstance(outcome, ResultJudged) else outcome.result_id
    headers = headers_for(outcome, str(made_as), trace_id, outcome.completed_at)
    return OutboundMessage(_TOPICS[type(outcome)].name, _key(outcome).encode(), outcome.to_bytes(), headers)


def _key(outcome: Outcome) -> str:
    if isinstance(outcome, ResultJudged):
        return str(outcome.result_id)
    if isinstance(outcome, OverMany):
        return outcome.request_id
    key: str = getattr(outcome, "record_id", "")
    return key


def progress(event: Event, operation: Operation, key: str, trace_id: str, now: datetime) -> OutboundMessage:
    """Word of how far an operation is, on the topic of its result. It has no lasting id: each one is news."""
    headers = headers_for(event, str(uuid4()), trace_id, now)
    return OutboundMessage(_OF_PROGRESS[operation].name, key.encode(), event.to_bytes(), headers)
