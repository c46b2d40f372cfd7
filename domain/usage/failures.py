"""What failures, retries and repeats cost, and how they are told from the calls alone.

An LLM call and an invocation failed as `domain.usage.report` says, and belong to the same moments.

retry    a call of an invocation right behind a failed call of it (by `attempt`). It belongs to its invocation's moment.
         Of an invocation that asks one thing these are its calls beyond the first. One that asks several (an analysis
         in parts) may have further calls that are none.
repeat   an invocation of the same tenant and operation, on the same input, that began at most REPEATED_WITHIN after
         another one. An input is the same where `trace_id`, `record_id` and `request_id` are: an invocation id is new
         for each run, the three are the input's own and come again when it does.

Why an input came again the calls do not say: a worker that was killed before its commit, one that had stood still, a
dead letter that was replayed, a sender that sends the same twice.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from domain.keys import NOBODY, Asker
from domain.usage.freshness import Freshness
from domain.usage.report import USD, Window
from schemas.operations import Operation

REPEATED_WITHIN = timedelta(days=7)
"""What comes again later than this after the time before is taken for a new wish. So far back an answer looks."""

INPUT_NOT_TOLD = (Operation.JUDGE.value,)
"""Operations whose calls do not tell their inputs apart: a judge's name the record, and not which result of it."""

MAX_FAILURE_GROUPS = 10_000
"""Operations, models and error classes together that an answer may have."""


@dataclass(frozen=True, slots=True)
class FailureQuestion:
    """Of which time and tenants the failures are asked for.

    Attributes:
        window: which calls and invocations count.
        tenants: whose; None: everybody's that the asker may see.
    """

    window: Window
    tenants: tuple[str, ...] | None = None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Failed(_Part):
    """All of one view, and those that failed."""

    total: int = Field(default=0, description="How many there were.")
    cost_usd: USD = Field(default=Decimal(0), description="What they cost, as far as it is known.")
    failed: int = Field(default=0, description="How many of them failed.")
    failed_cost_usd: USD = Field(default=Decimal(0), description="The failed ones' part of cost_usd.")
    failed_unpriced: int = Field(default=0, description="How many failed ones have a cost that is not wholly known.")


class Retries(_Part):
    """Calls right behind a failed one of the same invocation."""

    invocations: int = Field(default=0, description="How many invocations needed any.")
    calls: int = Field(default=0, description="How many there were.")
    cost_usd: USD = Field(default=Decimal(0), description="What these calls cost, as far as it is known.")
    unpriced: int = Field(default=0, description="How many of these calls have no known cost.")


class Repeats(_Part):
    """Invocations of an operation on an input that it was done on within seven days before."""

    invocations: int = Field(default=0, description="How many there were; the first one of an input is none.")
    calls: int = Field(default=0, description="How many LLM calls they took.")
    cost_usd: USD = Field(default=Decimal(0), description="What they cost, as far as it is known.")
    unpriced: int = Field(default=0, description="How many have a cost that is not wholly known.")
    after_an_answer: int = Field(
        default=0,
        description="How many came after an invocation that did not fail. The others came after a failed one: it was "
        "cut off between attempts, or its dead letter was replayed.",
    )
    after_an_answer_cost_usd: USD = Field(default=Decimal(0), description="Those ones' part of cost_usd.")
    not_told: int = Field(
        default=0,
        description="Invocations whose calls do not name their input: whether they are repeats is not known.",
    )


class OperationFailures(_Part):
    """What went wrong, was tried again and was done again."""

    operation: str | None = Field(default=None, description="The operation; null: all together.")
    llm_calls: Failed = Failed()
    invocations: Failed = Failed()
    retries: Retries = Retries()
    repeats: Repeats = Repeats()


class FailureKind(_Part):
    """What failed in the same way."""

    operation: str
    model: str = Field(description="The model that answered or, where none did, the one that was asked for.")
    error_class: str | None = Field(description="What went wrong; null: it was not told.")
    failed_calls: int = Field(default=0, description="LLM calls that failed so.")
    failed_calls_cost_usd: USD = Field(default=Decimal(0), description="What they cost, as far as it is known.")
    failed_invocations: int = Field(default=0, description="Invocations whose last attempt failed so.")
    failed_invocations_cost_usd: USD = Field(
        default=Decimal(0), description="What they cost with all of their calls, as far as it is known."
    )


class Failures(_Part):
    """What failures, retries and repeats cost in a window."""

    start: AwareDatetime = Field(alias="from", description="The first moment that counts.")
    end: AwareDatetime = Field(alias="to", description="The first moment that no longer counts.")
    tenants: tuple[str, ...] | None = Field(description="Whose; null: everybody's.")
    total: OperationFailures = Field(description="All operations together.")
    operations: tuple[OperationFailures, ...] = Field(description="Each operation, by name.")
    kinds: tuple[FailureKind, ...] = Field(description="What failed, the most frequent first.")
    as_of: AwareDatetime = Field(description="The moment that the answer is of: what was stored until then is in it.")
    freshness: Freshness = Field(description="What it says of its freshness besides.")


class FailureAnswers(Protocol):
    """Answers what failures cost."""

    async def failures(self, question: FailureQuestion, asker: Asker = NOBODY) -> Failures:
        """The answer, from one snapshot; of what the asker may see, whatever is asked.

        Raises:
            DroppedCallsError: a part of the window is of months whose LLM calls were dropped.
            TooManyGroupsError: it has more than MAX_FAILURE_GROUPS groups.
            TooManyQuestionsError: the asker's tenant has too many questions open.
            UsageUnavailableError: the store cannot answer now, or not in time.
        """
        ...
