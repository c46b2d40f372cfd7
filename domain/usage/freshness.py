"""How fresh an answer about usage is: what is not stored yet, what came late, and whether it can be had again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

STORING_SECONDS = 60.0
"""The longest that a statement of the consumer may take; the database itself ends what takes longer."""

SETTLED_AFTER = timedelta(seconds=STORING_SECONDS + 30)
"""A row bears the moment at which its statement began. So long after it each is there, or never will be: the longest
statement, and half a minute for its commit."""

UNKNOWN_AFTER = timedelta(minutes=1)
"""A lag that nobody has told for so long is not known: the consumer tells it every few seconds, at work or not."""


class Freshness(BaseModel):
    """What an answer says of itself besides its moment."""

    model_config = ConfigDict(frozen=True)

    lag: int | None = Field(
        default=None, description="Messages of LLM calls that were not stored yet at `lag_as_of`; null: not known."
    )
    lag_as_of: AwareDatetime | None = Field(default=None, description="When the consumer told last how far it is.")
    stored_until: AwareDatetime | None = Field(
        default=None,
        description="When the latest row of the answer's tenants and days was stored; null: there is none.",
    )
    late: int = Field(default=0, description="How many LLM calls in it were stored over an hour after they ended.")
    marked_days: int = Field(
        default=0, description="How many days of tenants were counted from raw rows, as their rollups do not hold."
    )
    settled_before: AwareDatetime | None = Field(
        default=None, description="What was stored before this moment is all there: an earlier `ingested_before` lasts."
    )
    reproducible: bool | None = Field(
        default=None,
        description="Whether the same question has the same answer later; null where it has no `ingested_before`.",
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What the consumer told of itself.

    Attributes:
        lag: messages that were not stored yet, of all partitions; None: it has told nothing.
        at: when; where it told of several partitions at several moments, the earliest.
    """

    lag: int | None = None
    at: datetime | None = None


def freshness(
    told: Told,
    as_of: datetime,
    ingested_before: datetime | None = None,
    stored_until: datetime | None = None,
    late: int = 0,
    marked_days: int = 0,
) -> Freshness:
    """How fresh an answer of the moment `as_of` is.

    A call that is stored from now on bears a moment of its own, at or after `ingested_before`, unless its statement
    has begun already.
    """
    settled = as_of - SETTLED_AFTER
    known = told.at is not None and as_of - told.at <= UNKNOWN_AFTER
    return Freshness(
        lag=told.lag if known else None,
        lag_as_of=told.at,
        stored_until=stored_until,
        late=late,
        marked_days=marked_days,
        settled_before=settled,
        reproducible=None if ingested_before is None else ingested_before <= settled,
    )


@dataclass(frozen=True, slots=True)
class Position:
    """How far the consumer is in one partition.

    Attributes:
        topic, partition: which.
        next_offset: all before it is stored, or a dead letter.
        end_offset: behind the last message that was there.
    """

    topic: str
    partition: int
    next_offset: int
    end_offset: int


class PositionSink(Protocol):
    """Where a consumer tells how far it is."""

    async def write(self, positions: Sequence[Position]) -> None:
        """Keep these, in the place of what was told of these partitions before.

        Raises:
            SinkUnavailableError: the database cannot take them now.
        """
        ...
