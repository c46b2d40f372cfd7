"""What every event shares: immutability, tolerance of unknown fields, a schema version, the field types."""

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

SUPPORTED_SCHEMA_VERSION = 1

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=255)]
"""A name given by a producer: 1 to 255 characters of any kind, opaque to us."""

Timestamp = AwareDatetime
"""A moment with an offset (RFC 3339); a time without one is refused."""

Confidence = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
"""How sure the model says it is, from 0 to 1."""


class Frozen(BaseModel):
    """A part of an event: immutable, ignoring fields that this version does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Event(Frozen):
    """A payload that travels on a topic; `ce_type` names it in the CloudEvents header of the same name."""

    ce_type: ClassVar[str]

    schema_version: int = Field(
        default=SUPPORTED_SCHEMA_VERSION,
        description="Version of this payload's schema; 1 where absent. Readers refuse a version they do not know.",
    )

    def to_bytes(self) -> bytes:
        """The event as it travels: UTF-8 JSON, without the fields that are null."""
        return self.model_dump_json(exclude_none=True).encode()
