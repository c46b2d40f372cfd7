"""What every event shares: immutability, tolerance of unknown fields, a schema version, the field types."""

import re
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

SUPPORTED_SCHEMA_VERSION = 1
MAX_IDENTIFIER_CHARACTERS = 255
_MOST_OF_AN_ID = 60

PLAUSIBLE_YEARS = range(2000, 3000)
"""A moment of another year is a mistake. The calendar's ends would be stored as infinities, and have no time in UTC."""

OFFSETS = "an offset has hours 00 to 23 and minutes 00 to 59"

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:?\d\d)",  # the colon may be left out: %z does
    re.ASCII,
)
_OFFSET = re.compile(r"(?:[Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)\Z", re.ASCII)


def without_nul(text: str) -> str:
    """Refuse the one character that no text column of PostgreSQL takes, before anything is paid for.

    Raises:
        ValueError: it is there.
    """
    if "\x00" in text:
        raise ValueError("must not hold a NUL character")
    return text


def shown(identifier: str) -> str:
    """An id as part of a sentence: without control characters, and not endless."""
    plain = "".join(character if character.isprintable() else "?" for character in identifier[: _MOST_OF_AN_ID + 1])
    return plain if len(plain) <= _MOST_OF_AN_ID else f"{plain[: _MOST_OF_AN_ID - 3]}..."


def ends_in_an_offset(written: str) -> bool:
    """Whether a time ends in an offset from UTC that there can be; Python's own reader takes +00:60 for +01:00."""
    return _OFFSET.search(written) is not None


def _written_as_a_time(value: object) -> object:
    """Refuse what else pydantic would take: seconds, or milliseconds, since 1970 (nobody can tell which was meant), no
    seconds in a time, a comma before their fraction, a minus that is not ASCII's."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or _RFC_3339.fullmatch(value) is None:
        raise ValueError("must be a time as RFC 3339 writes it, with an offset")
    if not ends_in_an_offset(value):
        raise ValueError(f"is no time: {OFFSETS}")
    return value


def _written_as(wanted: str) -> BeforeValidator:
    """Refuse what pydantic would take for a number: text, and true for 1."""

    def check(value: object) -> object:
        kind = {str: "text", bool: "true or false"}.get(type(value))
        if kind is not None:
            raise ValueError(f"is {kind}, and not a {wanted}")
        return value

    return BeforeValidator(check)


def _in_plausible_year(moment: datetime) -> datetime:
    if moment.year not in PLAUSIBLE_YEARS:
        raise ValueError(f"must be of the years {PLAUSIBLE_YEARS[0]} to {PLAUSIBLE_YEARS[-1]}")
    return moment


Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_IDENTIFIER_CHARACTERS), AfterValidator(without_nul)
]
"""A name given by a producer: 1 to 255 characters of any kind but NUL, opaque to us."""

Timestamp = Annotated[AwareDatetime, BeforeValidator(_written_as_a_time)]
"""A moment as RFC 3339 writes it: with seconds and an offset, of which the colon may be missing; no number."""

Moment = Annotated[Timestamp, AfterValidator(_in_plausible_year)]
"""A moment of the years 2000 to 2999, as it is written; any other is refused."""

WholeNumber = Annotated[int, _written_as("whole number")]
"""An integer as JSON Schema has it: a number, of which 1.0 is one; no text, and neither true nor false."""

Confidence = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False), _written_as("number")]
"""How sure the model says it is, from 0 to 1: a number; no text, and neither true nor false."""


class Frozen(BaseModel):
    """A part of an event: immutable, ignoring fields that this version does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Event(Frozen):
    """A payload that travels on a topic; `ce_type` names it in the CloudEvents header of the same name."""

    ce_type: ClassVar[str]

    schema_version: WholeNumber = Field(
        default=SUPPORTED_SCHEMA_VERSION,
        description="Version of this payload's schema; 1 where absent. Readers refuse a version they do not know.",
    )

    def to_bytes(self) -> bytes:
        """The event as it travels: UTF-8 JSON, without the fields that are null."""
        return self.model_dump_json(exclude_none=True).encode()
