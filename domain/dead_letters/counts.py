"""How many dead letters there are, of which operation and why, as the table of them tells it."""

from dataclasses import dataclass
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from domain.keys import NOBODY, Asker
from domain.usage.report import Window

MAX_DEAD_LETTER_GROUPS = 10_000
"""Pairs of operation and reason that an answer may have."""


@dataclass(frozen=True, slots=True)
class DeadLetterQuestion:
    """Of which time and tenants dead letters are counted.

    Attributes:
        window: when they were given up.
        tenants: whose; None: everybody's that the asker may see, and nobody's.
    """

    window: Window
    tenants: tuple[str, ...] | None = None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class DeadLetterGroup(_Part):
    """Dead letters of one operation with one reason."""

    operation: str | None = Field(description="The operation that has no result; null: the whole input has none.")
    reason: str = Field(description="Why, as a stable code: see the README's list.")
    dead_letters: int = Field(description="How many there are.")
    last_failed_at: AwareDatetime = Field(description="When the latest of them was given up.")


class DeadLetterCounts(_Part):
    """What could not be answered in a window. A dead letter counts though it was replayed and answered since."""

    start: AwareDatetime = Field(alias="from", description="The first moment that counts.")
    end: AwareDatetime = Field(alias="to", description="The first moment that no longer counts.")
    tenants: tuple[str, ...] | None = Field(description="Whose; null: everybody's, and those that name no tenant.")
    total: int = Field(description="How many dead letters there are: what the groups add up to.")
    set_aside_for_budget: int = Field(
        description="How many of them have the reason `budget_exhausted`: no fault, but what a spent budget set aside. "
        "It is sent again when the pause is over, and stays counted."
    )
    groups: tuple[DeadLetterGroup, ...] = Field(description="Each operation and reason, the most frequent first.")
    as_of: AwareDatetime = Field(description="The moment that the answer is of: what was stored until then is in it.")


class DeadLetterReader(Protocol):
    """Counts dead letters."""

    async def counts(self, question: DeadLetterQuestion, asker: Asker = NOBODY) -> DeadLetterCounts:
        """The counts, from one snapshot; of what the asker may see, whatever is asked.

        Raises:
            TooManyGroupsError: there are more than MAX_DEAD_LETTER_GROUPS groups.
            TooManyQuestionsError: the asker's tenant has too many questions open.
            UsageUnavailableError: the store cannot answer now, or not in time.
        """
        ...
