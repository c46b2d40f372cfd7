"""Sending a result: to which topic, under which key."""

from uuid import UUID

from domain.ports import OutboundMessage
from schemas.cloudevents import InputIdentity, deterministic_id, headers_for
from schemas.results import AnalysisCompleted, CodesAssigned, RecordSummarized
from schemas.topics import ANALYSES, CODE_ASSIGNMENTS, SUMMARIES

ResultEvent = CodesAssigned | RecordSummarized | AnalysisCompleted


def result_id(identity: InputIdentity, operation: str) -> UUID:
    """The id of what an operation on an input comes to: a result or, where there is none, a dead letter."""
    return deterministic_id(identity.event_id, operation)


def outbound(result: ResultEvent, trace_id: str) -> OutboundMessage:
    """The result as it is sent: `ce_id` is its result id, the same for every repeat of it."""
    if isinstance(result, AnalysisCompleted):
        topic, key = ANALYSES, result.request_id
    else:
        topic, key = CODE_ASSIGNMENTS if isinstance(result, CodesAssigned) else SUMMARIES, result.record_id
    headers = headers_for(result, str(result.result_id), trace_id, result.completed_at)
    return OutboundMessage(topic.name, key.encode(), result.to_bytes(), headers)
