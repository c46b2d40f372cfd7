"""Where a message stands on Kafka."""

from pydantic import Field

from schemas.base import Frozen, Moment, WholeNumber

_MAX_INT32, _MAX_INT64 = 2**31 - 1, 2**63 - 1


class Source(Frozen):
    """Where an input was read."""

    topic: str = Field(description="Topic of the input.")
    partition: WholeNumber = Field(ge=0, le=_MAX_INT32, description="Its partition.")
    offset: WholeNumber = Field(ge=0, le=_MAX_INT64, description="Its offset.")
    timestamp: Moment | None = Field(
        default=None, description="The Kafka timestamp of the input, where that is a plausible one."
    )
