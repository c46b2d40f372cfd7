"""Requests over many records: an analysis, a summary."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, field_validator

from schemas.base import Event, Frozen, Identifier, Timestamp
from schemas.records import Content, not_blank

Instruction = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
"""What an analyst asks, 1 to 4000 characters."""


class RequestedRecord(Frozen):
    """A feedback record as part of a request."""

    record_id: Identifier = Field(description="The record's id in the CRM.")
    content: Content = Field(description="The feedback text, 1 to 100,000 characters, not blank.")
    created_at: Timestamp | None = Field(default=None, description="When the feedback was given.")
    metadata: dict[str, Any] | None = Field(default=None, description="Kept beside the record; never reaches a model.")

    _content_not_blank = field_validator("content")(not_blank)


class Period(Frozen):
    """A half-open stretch of time [start, end)."""

    start: Timestamp = Field(description="First moment of the period.")
    end: Timestamp = Field(description="First moment after the period.")


class AnalysisRequested(Event):
    """A question over many feedback records. Key on its topic: the request id."""

    ce_type: ClassVar[str] = "feedback.analysis.requested"

    tenant_id: Identifier = Field(description="The organisation that asks.")
    request_id: Identifier = Field(description="The request's id, unique within the tenant.")
    instruction: Instruction = Field(description="What the analyst wants to know.")
    records: tuple[RequestedRecord, ...] = Field(min_length=1, description="The records to read.")
    mode: Literal["single_pass", "hierarchical", "auto"] = Field(
        default="auto", description="How to read them; only single_pass (which auto means) is carried out today."
    )
    period: Period | None = Field(default=None, description="The stretch of time that the records cover.")
    output_language: str | None = Field(default=None, max_length=100, description="The language to answer in.")


class SummaryRequested(Event):
    """A summary over many feedback records. Key on its topic: the request id."""

    ce_type: ClassVar[str] = "feedback.summary.requested"

    tenant_id: Identifier = Field(description="The organisation that asks.")
    request_id: Identifier = Field(description="The request's id, unique within the tenant.")
    records: tuple[RequestedRecord, ...] = Field(min_length=1, description="The records to summarise.")
    output_language: str | None = Field(default=None, max_length=100, description="The language to answer in.")
