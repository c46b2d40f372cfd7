"""The answer to a question about usage: groups, each in two views, and all of them together."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, computed_field

from domain.keys import NOBODY, Asker
from domain.usage.freshness import Freshness
from domain.usage.questions import UsageQuestion
from domain.usage.report import USD

MAX_UNPRICED_MODELS = 20
"""Models that an answer names for their unknown cost; `unpriced` of its total counts the calls of all."""


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
    failed_unpriced: int = Field(default=0, description="The failed items' part of unpriced.")
    cache_read_input_tokens: int = Field(default=0, description="The part of all input tokens read from a cache.")
    reasoning_output_tokens: int = Field(default=0, description="The part of all output tokens spent on reasoning.")
    duration_ms: Spread = Spread()
    input_tokens: Spread = Spread()
    output_tokens: Spread = Spread()

    @computed_field(description="Whether they cost more than cost_usd says: true where some are unpriced.")  # type: ignore[prop-decorator]
    @property
    def cost_is_lower_bound(self) -> bool:
        """Whether some of the cost is not known."""
        return self.unpriced > 0


class UnpricedModel(_Part):
    """A model with LLM calls whose cost is not known."""

    model: str = Field(description="The model that answered or, where none did, the one that was asked for.")
    calls: int = Field(description="How many of its LLM calls have no known cost.")
    failed: int = Field(description="How many of those failed: what has no answer has no price, whatever the model.")


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
    unpriced_models: tuple[UnpricedModel, ...] = Field(
        default=(), description="The models of the LLM calls without a known cost, those with most of them first."
    )
    as_of: AwareDatetime = Field(description="The moment that the answer is of: what was stored until then is in it.")
    freshness: Freshness = Freshness()


class UsageAnswers(Protocol):
    """Answers questions about usage."""

    async def answer(self, question: UsageQuestion, asker: Asker = NOBODY) -> UsageAnswer:
        """As `answers`, of one question."""
        ...

    async def answers(self, questions: Sequence[UsageQuestion], asker: Asker = NOBODY) -> list[UsageAnswer]:
        """The answers, all from one snapshot; of what the asker may see, whatever is asked.

        Raises:
            DroppedCallsError: one takes single LLM calls of months that were dropped.
            TooManyGroupsError: an answer has more than MAX_GROUPS groups.
            TooManyQuestionsError: the asker's tenant has too many questions open.
            UsageUnavailableError: the store cannot answer now, or not in time.
        """
        ...
