"""What a tenant's budget is told of: that its LLM calls have cost a share of it."""

from decimal import Decimal
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, PlainSerializer

from schemas.base import Event, Identifier, Moment, without_nul

Amount = Annotated[
    Decimal,
    Field(ge=0, allow_inf_nan=False),
    PlainSerializer(lambda amount: f"{amount:f}", return_type=str, when_used="json"),
]
"""A decimal number as text, without an exponent: nothing of it is lost in a float."""


class BudgetThresholdCrossed(Event):
    """A tenant's LLM calls have cost a share of a budget, or more. Once for each budget, period and share.

    After a crash it may come again, with the same `alert_id` and later figures: whoever keeps the first is exact.
    """

    ce_type: ClassVar[str] = "usage.budget-threshold-crossed"

    alert_id: UUID = Field(description="The same for every delivery about this budget, period and threshold.")
    tenant_id: Identifier = Field(description="Whose budget it is.")
    operation: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(without_nul)] | None = Field(
        default=None, description="The operation that the budget is for; null: all of them together."
    )
    period: Literal["day", "week", "month"] = Field(description="What the budget is for: each such period.")
    zone: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        description="The IANA time zone by whose calendar the period begins and ends."
    )
    period_start: Moment = Field(description="The first moment of the period.")
    period_end: Moment = Field(description="The first moment behind the period.")
    limit_usd: Amount = Field(description="The budget for the period, US dollars.")
    threshold: Amount = Field(description="The share of the limit that was reached, e.g. 0.8.")
    spent_usd: Amount = Field(description="What the period's LLM calls have cost so far, as far as it is known.")
    forecast_usd: Amount = Field(
        description="spent_usd, and the average hourly cost of the last 7 days for each hour that is left."
    )
    unpriced_calls: Annotated[int, Field(ge=0)] = Field(description="How many of those calls have no known cost.")
    cost_is_lower_bound: bool = Field(
        description="Whether more was spent than spent_usd says: true where there are unpriced calls."
    )
    hard_stop: bool = Field(
        default=False,
        description="Whether all of a budget with a hard stop is spent: workers pause what it is for, until the period "
        "ends or the limit is raised. False where the period was over when it was noticed.",
    )
    crossed_at: Moment = Field(description="When it was noticed; it may have been up to a look earlier.")
