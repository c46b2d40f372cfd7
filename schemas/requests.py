"""Requests over many records: an analysis, a summary."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from schemas.base import Event, Frozen, Identifier, Timestamp, WholeNumber, shown
from schemas.records import Content, not_blank

Instruction = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
"""What an analyst asks, 1 to 4000 characters."""

MAX_PARTS = 256
Mode = Literal["single_pass", "hierarchical", "auto"]
_MODE = (
    "How to read the records: single_pass, all in one prompt; hierarchical, in chunks whose answers are put together; "
    "auto, in one prompt where they fit."
)
_PART = "Which part of the request this message is, where it does not fit into one; absent: it is the whole."


class RequestedRecord(Frozen):
    """A feedback record as part of a request."""

    record_id: Identifier = Field(description="The record's id in the CRM.")
    content: Content = Field(description="The feedback text, 1 to 100,000 characters, not blank.")
    created_at: Timestamp | None = Field(default=None, description="When the feedback was given.")
    metadata: dict[str, Any] | None = Field(default=None, description="Kept beside the record; never reaches a model.")

    _content_not_blank = field_validator("content")(not_blank)


def each_once(records: tuple[RequestedRecord, ...]) -> tuple[RequestedRecord, ...]:
    """Refuse two records of one id: they could not be told apart in the answer, nor counted.

    Raises:
        ValueError: there are two.
    """
    seen: set[str] = set()
    for record in records:
        if record.record_id in seen:
            raise ValueError(f"holds two records with the record_id {shown(record.record_id)}")
        seen.add(record.record_id)
    return records


Records = Annotated[tuple[RequestedRecord, ...], Field(min_length=1), AfterValidator(each_once)]
"""The records of a request, or of a part of it: at least one, each record_id once."""


class Period(Frozen):
    """A half-open stretch of time [start, end)."""

    start: Timestamp = Field(description="First moment of the period.")
    end: Timestamp = Field(description="First moment after the period.")

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.start >= self.end:
            raise ValueError("does not begin before it ends")
        return self


class Part(Frozen):
    """Where a message belongs in a request that was cut up. All parts have the same key, so the same partition."""

    number: WholeNumber = Field(ge=1, le=MAX_PARTS, description="Which part this is, from 1.")
    of: WholeNumber = Field(ge=1, le=MAX_PARTS, description="How many parts the request has, 256 at most.")

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if self.number > self.of:
            raise ValueError("has a number above the number of parts")
        return self


class AnalysisRequested(Event):
    """A question over many feedback records. Key on its topic: the request id."""

    ce_type: ClassVar[str] = "feedback.analysis.requested"

    tenant_id: Identifier = Field(description="The organisation that asks.")
    request_id: Identifier = Field(description="The request's id, unique within the tenant.")
    instruction: Instruction = Field(description="What the analyst wants to know.")
    records: Records = Field(description="The records to read, each record_id once.")
    mode: Mode = Field(default="auto", description=_MODE)
    period: Period | None = Field(
        default=None, description="The stretch of time that the codes are counted over; all records are read."
    )
    output_language: str | None = Field(default=None, max_length=100, description="The language to answer in.")
    part: Part | None = Field(default=None, description=_PART)


class SummaryRequested(Event):
    """A summary over many feedback records. Key on its topic: the request id."""

    ce_type: ClassVar[str] = "feedback.summary.requested"

    tenant_id: Identifier = Field(description="The organisation that asks.")
    request_id: Identifier = Field(description="The request's id, unique within the tenant.")
    records: Records = Field(description="The records to summarise, each record_id once.")
    mode: Mode = Field(default="auto", description=_MODE)
    output_language: str | None = Field(default=None, max_length=100, description="The language to answer in.")
    part: Part | None = Field(default=None, description=_PART)
