"""What of a process is watched: plain objects that its parts write, each to be read from any thread."""

from dataclasses import dataclass, field

from consumers.batches import Progress
from domain.delivery.tally import DeadLetterTally
from domain.judging.settings import JudgingTally
from domain.llm.breaker import CircuitBreaker
from domain.llm.routing import Route
from domain.llm.tally import CallTally
from domain.usage.budget_tally import BudgetTally
from domain.usage.rolling import RollTally
from streams.status import WorkerStatus


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """A stream worker's, or a judge's.

    Attributes:
        routes: all models of a worker, the first among them, each with its breaker.
        judging: of a judge, what it did not judge.
    """

    status: WorkerStatus = field(default_factory=WorkerStatus)
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    calls: CallTally = field(default_factory=CallTally)
    dead_letters: DeadLetterTally = field(default_factory=DeadLetterTally)
    routes: list[Route] = field(default_factory=list)
    judging: JudgingTally | None = None

    @property
    def deleted_unread(self) -> int:
        """Messages that were deleted before they were read."""
        return self.status.deleted_unread


@dataclass(frozen=True, slots=True)
class ConsumerFigures:
    """A consumer's.

    Attributes:
        dead_letters: of all that it reads.
        progress: of the LLM calls.
        codings: of the codings, their corrections and the dead letters.
    """

    dead_letters: DeadLetterTally = field(default_factory=DeadLetterTally)
    progress: Progress = field(init=False)
    codings: Progress = field(init=False)

    def __post_init__(self) -> None:
        for name in ("progress", "codings"):
            object.__setattr__(self, name, Progress(letters=self.dead_letters))

    @property
    def deleted_unread(self) -> int:
        """Messages that were deleted before they were read."""
        return self.progress.deleted_unread + self.codings.deleted_unread

    @property
    def outages(self) -> int:
        """How often the database or the broker had to be waited for."""
        return self.progress.outages + self.codings.outages

    @property
    def waits_for_store(self) -> bool:
        """Whether the database did not answer when it was asked last."""
        return self.progress.waits_for_store or self.codings.waits_for_store

    @property
    def batch_seconds(self) -> float:
        """Age of the oldest batch under way; 0 where there is none."""
        return max(self.progress.batch_seconds, self.codings.batch_seconds)


@dataclass(frozen=True, slots=True)
class RollerFigures:
    """A roller's.

    Attributes:
        rolled: what it did, and what is left to do.
    """

    rolled: RollTally = field(default_factory=RollTally)


@dataclass(frozen=True, slots=True)
class BudgetsFigures:
    """Those of a watch on budgets.

    Attributes:
        tally: what it did.
    """

    tally: BudgetTally = field(default_factory=BudgetTally)


Figures = WorkerFigures | ConsumerFigures | RollerFigures | BudgetsFigures
