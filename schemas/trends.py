"""How often codes occur over time."""

from datetime import date
from typing import Literal

from pydantic import Field

from schemas.base import Frozen, WholeNumber
from schemas.frameworks import CodeId

OwnCodings = Literal["read", "not_needed", "unavailable", "not_configured"]
"""Whether our own codings were read for a trend: they were; every record's metadata has codes; the database did not
answer in time; the worker has no database."""


Granularity = Literal["day", "week", "month", "quarter", "year"]
"""How long a stretch of time is, shortest first."""


class TrendCount(Frozen):
    """How many records of a day, week, month, quarter or year have a code."""

    start: date = Field(description="The first day of the stretch, in UTC; weeks begin on Monday (ISO 8601).")
    records: WholeNumber = Field(ge=1, description="How many records; a stretch without any is left out.")


class CodeTrend(Frozen):
    """One code over time."""

    code_id: CodeId = Field(description="The code's id.")
    name: str | None = Field(default=None, description="The code's name, where it is known.")
    records: WholeNumber = Field(ge=1, description="How many records have the code, dated or not.")
    undated: WholeNumber = Field(default=0, ge=0, description="How many of them have no date.")
    outside_period: WholeNumber = Field(default=0, ge=0, description="How many of them are dated outside the period.")
    counts: tuple[TrendCount, ...] = Field(description="The dated ones inside the period, earliest first.")


class Trend(Frozen):
    """The codes of a request's records over time: counted by us, not by a model."""

    granularity: Granularity = Field(
        description="How long each stretch is: day, week or month by the whole span; longer, up to quarter or year, "
        "where the counts would not fit on the topic."
    )
    codes: tuple[CodeTrend, ...] = Field(description="The codes, most frequent first.")
    codes_left_out: WholeNumber = Field(
        default=0,
        ge=0,
        description="How many rarer codes are not listed: those beyond 200, and those that do not fit on the topic.",
    )
    from_metadata: WholeNumber = Field(ge=0, description="How many records have their codes from their metadata.")
    from_assignments: WholeNumber = Field(ge=0, description="How many others have them from our own codings.")
    uncoded: WholeNumber = Field(ge=0, description="How many records have no known code.")
