"""An input that could not be answered, with all that is needed to look into it and to send it again."""

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from schemas.base import Event, Frozen, Identifier, Moment, WholeNumber
from schemas.sources import Source

_MAX_INT32 = 2**31 - 1


class Header(Frozen):
    """One Kafka header of the input, as it came."""

    key: str = Field(description="The header's name.")
    value_base64: str | None = Field(default=None, description="The header's bytes.")


class DeadLetter(Event):
    """An input without a result, and why. As confidential as the input: it carries the original bytes."""

    ce_type: ClassVar[str] = "feedback.dead-letter"

    dead_letter_id: UUID = Field(description="The same for every delivery of the same dead letter.")
    tenant_id: Identifier | None = Field(default=None, description="The owner of the input, where it could be read.")
    record_id: Identifier | None = Field(
        default=None, description="The record that the input is, or is about, where there is one and it could be read."
    )
    request_id: Identifier | None = Field(
        default=None, description="The request that the input is, or belongs to, where it could be read."
    )
    operation: str | None = Field(
        default=None, description="The operation that has no result; null when the whole input has none."
    )
    result_id: UUID | None = Field(
        default=None,
        description="The id that the operation's result would have had, null where there is no operation: a result "
        "counts over a dead letter with the same result_id, whichever comes first.",
    )
    reason: str = Field(description="Why, as a stable code: see the README's list.")
    error_class: str = Field(description="The kind of error behind the reason.")
    message: str = Field(description="One sentence for a person; of the input at most an id, never its text.")
    attempts: WholeNumber = Field(ge=0, le=_MAX_INT32, description="How many LLM calls were tried.")
    source: Source = Field(description="Where the input was read.")
    key_base64: str | None = Field(default=None, description="The original key's bytes.")
    value_base64: str | None = Field(default=None, description="The original value's bytes; null where it was null.")
    headers: tuple[Header, ...] = Field(default=(), description="The original headers, in their order.")
    failed_at: Moment = Field(description="When it was given up.")
