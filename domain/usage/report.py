"""What was used, by whom, for what, at what cost: the words of the usage report, and their meaning.

A window is half-open, [from, to). Every number comes in two views:

llm_calls      one item per attempt; it belongs to the moment it started (`timestamp`).
invocations    one item per invocation; it belongs, with all of its calls, to the moment it began
               (`invocation_started_at`), so that windows that follow each other add up. It failed when its last attempt
               (the highest `attempt`) failed. Its duration, tokens and cost are the sums over its calls, failed ones
               included: what the operation took, the waiting between attempts left out.

`total`, `failed`, `unpriced` and `cost_usd` count every item; the distributions count the items that did not fail, and
of those the ones that the provider told a number for. Percentiles interpolate linearly between neighbours.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer


def plain(amount: Decimal) -> str:
    """An amount of money in full: no exponent, no zeros at the end; nothing is `0`."""
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


USD = Annotated[Decimal, PlainSerializer(plain, return_type=str), Field(description="US dollars, as a decimal string.")]


@dataclass(frozen=True, slots=True)
class Window:
    """The moments from `start` up to, but not including, `end`; both with an offset, `start` before `end`."""

    start: datetime
    end: datetime


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Distribution(_Answer):
    """How a number is spread over the items that did not fail; all null where there are none."""

    avg: float | None = None
    min: int | float | None = None
    max: int | float | None = None
    p5: float | None = None
    p50: float | None = None
    p95: float | None = None
    total: int | float | None = None


class View(_Answer):
    """Items (LLM calls or invocations) of a window."""

    total: int = Field(default=0, description="How many there were.")
    failed: int = Field(default=0, description="How many of them failed.")
    unpriced: int = Field(default=0, description="How many have a cost that is not, or not wholly, known.")
    cost_usd: USD = Field(default=Decimal(0), description="What they cost, as far as it is known, as a decimal string.")
    failed_cost_usd: USD = Field(default=Decimal(0), description="The failed items' part of cost_usd.")
    duration_ms: Distribution = Distribution()
    input_tokens: Distribution = Distribution()
    output_tokens: Distribution = Distribution()


class _Usage(_Answer):
    start: AwareDatetime = Field(alias="from", description="The first moment that counts.")
    end: AwareDatetime = Field(alias="to", description="The first moment that no longer counts.")
    llm_calls: View = Field(default=View(), description="One item per attempt against a provider.")
    invocations: View = Field(default=View(), description="One item per operation on one input.")


class _OfTenant(_Answer):
    tenant_id: str | None = Field(description="The tenant; null for the grand total.")


class _OfOperation(_Answer):
    operation: str | None = Field(description="The operation; null for the grand total.")


# The order of the parents is the order of the fields, backwards: a reader wants the name first.
class TenantUsage(_Usage, _OfTenant):
    """What one tenant used."""


class OperationUsage(_Usage, _OfOperation):
    """What one operation used, over all tenants."""
