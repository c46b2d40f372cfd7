"""What analysts made of a coding: the codes that are right."""

from typing import ClassVar
from uuid import UUID

from pydantic import Field, field_validator

from schemas.base import Event, Identifier, Moment
from schemas.frameworks import CodeId
from schemas.records import MAX_LANGUAGE_CHARACTERS, Content, not_blank

MAX_CORRECTED_CODES = 50
"""As many as a coding may carry."""


class CodesCorrected(Event):
    """The codes that an analyst gives a record, whatever a model gave it. Key on its topic: the record id.

    A correction says all codes that are right, not what changed: one that confirms a coding repeats its codes. Of
    several for one record and framework the latest `corrected_at` counts.
    """

    ce_type: ClassVar[str] = "feedback.codes.corrected"

    tenant_id: Identifier = Field(description="The organisation that owns the record.")
    record_id: Identifier = Field(description="The corrected record.")
    framework_id: Identifier = Field(description="The framework that the codes belong to.")
    framework_version: Identifier | None = Field(
        default=None, description="The version of the framework that the analyst used, where known."
    )
    code_ids: tuple[CodeId, ...] = Field(
        max_length=MAX_CORRECTED_CODES,
        description="The ids of the deepest codes that are right; empty where no code of the framework fits.",
    )
    result_id: UUID | None = Field(
        default=None, description="The coding that the analyst looked at; without it, the latest one before counts."
    )
    content: Content | None = Field(
        default=None,
        description="The feedback text, 1 to 100,000 characters, not blank: with it, codings can learn from this "
        "correction; it is stored in no table.",
    )
    language: str | None = Field(
        default=None, max_length=MAX_LANGUAGE_CHARACTERS, description="BCP 47 tag of the content, where known."
    )
    corrected_at: Moment = Field(description="When the analyst decided.")
    corrected_by: Identifier | None = Field(
        default=None, description="Who decided, as an opaque id of the CRM's; no name or address of a person."
    )

    @field_validator("content")
    @classmethod
    def _content_not_blank(cls, content: str | None) -> str | None:
        return None if content is None else not_blank(content)
