"""What of a process is watched: plain objects that its parts write, each to be read from any thread."""

from dataclasses import dataclass, field

from consumers.batches import Progress
from domain.delivery.tally import DeadLetterTally
from domain.llm.breaker import CircuitBreaker
from domain.llm.tally import CallTally
from streams.status import WorkerStatus


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """A stream worker's."""

    status: WorkerStatus = field(default_factory=WorkerStatus)
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    calls: CallTally = field(default_factory=CallTally)
    dead_letters: DeadLetterTally = field(default_factory=DeadLetterTally)

    @property
    def deleted_unread(self) -> int:
        """Messages that were deleted before they were read."""
        return self.status.deleted_unread


@dataclass(frozen=True, slots=True)
class ConsumerFigures:
    """A consumer's."""

    progress: Progress = field(default_factory=Progress)

    @property
    def dead_letters(self) -> DeadLetterTally:
        """Its dead letters."""
        return self.progress.letters

    @property
    def deleted_unread(self) -> int:
        """Messages that were deleted before they were read."""
        return self.progress.deleted_unread
