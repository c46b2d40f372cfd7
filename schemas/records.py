"""A feedback record as the CRM submits it."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from schemas.base import Confidence, Event, Identifier, Timestamp, WholeNumber
from schemas.operations import RecordOperation

MAX_CONTENT_CHARACTERS = 100_000
MAX_LANGUAGE_CHARACTERS = 35

Content = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONTENT_CHARACTERS)]
"""What a community member said: 1 to 100,000 characters, not only white space."""


def not_blank(content: str) -> str:
    """Refuse a content that holds only white space.

    Raises:
        ValueError: when nothing is left of the content after stripping it.
    """
    if not content.strip():
        raise ValueError("content is blank: it holds only white space")
    return content


class FeedbackRecordSubmitted(Event):
    """One piece of qualitative feedback, asking for operations on it. Key on its topic: the record id."""

    ce_type: ClassVar[str] = "feedback.record.submitted"

    tenant_id: Identifier = Field(description="The organisation that owns the record; results carry it unchanged.")
    record_id: Identifier = Field(description="The record's id in the CRM, unique within the tenant.")
    content: Content = Field(description="The feedback text, 1 to 100,000 characters, not blank.")
    created_at: Timestamp | None = Field(default=None, description="When the community member gave the feedback.")
    language: str | None = Field(
        default=None, max_length=MAX_LANGUAGE_CHARACTERS, description="BCP 47 tag of the content, where known."
    )
    framework_id: Identifier | None = Field(
        default=None, description="The coding framework of this tenant to code with."
    )
    operations: tuple[RecordOperation, ...] | None = Field(
        default=None,
        min_length=1,
        description="What is asked; by default assign_codes and summarize, or summarize alone without a framework_id.",
    )
    max_codes: WholeNumber = Field(default=3, ge=1, le=50, description="The most codes that a coding may carry.")
    confidence_threshold: Confidence = Field(
        default=0.0, description="Codes below this aggregate confidence are left out."
    )
    output_language: str | None = Field(
        default=None, max_length=100, description="The language to write results in; the content's own by default."
    )
    metadata: dict[str, Any] | None = Field(
        default=None, description="Anything the CRM wants to keep beside the record; never reaches a model."
    )

    _content_not_blank = field_validator("content")(not_blank)

    @model_validator(mode="after")
    def _coding_needs_a_framework(self) -> Self:
        if self.framework_id is None and RecordOperation.ASSIGN_CODES in (self.operations or ()):
            raise ValueError("assign_codes needs a framework_id")
        return self

    @property
    def requested_operations(self) -> tuple[RecordOperation, ...]:
        """The operations to run, defaults filled in, each once, in the order asked."""
        if self.operations is not None:
            return tuple(dict.fromkeys(self.operations))
        if self.framework_id is None:
            return (RecordOperation.SUMMARIZE,)
        return (RecordOperation.ASSIGN_CODES, RecordOperation.SUMMARIZE)
