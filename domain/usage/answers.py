"""The answer to a question about usage: groups, each in two views, and all of them together."""

from decimal import Decimal
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from domain.usage.questions import UsageQuestion
from domain.usage.report import USD


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Spread(_Part):
    """How a number is spread over the items that did not fail; all null where there are none."""

    avg: float | None = None
    min: int | float | None = None
    max: int | float | None = None
    total: int | float | None = None
    percentiles: dict[str, float | None] = Field(
        default_factory=dict, description="By percentile, `50` say; within 1 %, and never beyond min and max."
    )


class Measures(_Part):
    """Items (LLM calls or invocations) that are counted together."""

    total: int = Field(default=0, description="How many there were.")
    failed: int = Field(default=0, description="How many of them failed.")
    unpriced: int = Field(default=0, description="How many have a cost that is not, or not wholly, known.")
    attempts: int = Field(default=0, description="How many LLM calls they took.")
    late: int = Field(default=0, description="How many LLM calls of them were stored over an hour after they ended.")
    cost_usd: USD = Field(default=Decimal(0), description="What they cost, as far as it is known.")
    failed_cost_usd: USD = Field(default=Decimal(0), description="The failed items' part of cost_usd.")
    cache_read_input_tokens: int = Field(default=0, description="The part of all input tokens read from a cache.")
    reasoning_output_tokens: int = Field(default=0, description="The part of all output tokens spent on reasoning.")
    duration_ms: Spread = Spread()
    input_tokens: Spread = Spread()
    output_tokens: Spread = Spread()


class Group(_Part):
    """What has the same values of the dimensions that were asked for, in one stretch of time where one was."""

    keys: dict[str, str | None] = Field(
        default_factory=dict, description="By dimension; null: the calls that have no such value."
    )
    start: AwareDatetime | None = Field(default=None, description="Where the stretch of time begins.")
    end: AwareDatetime | None = Field(
        default=None, description="Where it ends; what lies outside the window is not in."
    )
    llm_calls: Measures = Measures()
    invocations: Measures = Measures()


class UsageAnswer(_Part):
    """All groups of a question, in the order of time and of their keys; stretches in which nothing was are zeros."""

    groups: tuple[Group, ...]
    total: Group = Field(description="All groups together, without keys and time.")
    as_of: AwareDatetime = Field(description="The moment that the answer is of: what was stored until then is in it.")


class UsageAnswers(Protocol):
    """Answers questions about usage."""

    async def answer(self, question: UsageQuestion) -> UsageAnswer:
        """The answer, from one snapshot.

        Raises:
            TooManyGroupsError: the answer has more than MAX_GROUPS groups.
            UsageUnavailableError: the store cannot answer now, or not in time.
        """
        ...
