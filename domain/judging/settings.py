"""What of judging can be set, and what is counted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JudgingSettings:
    """How much is judged.

    Attributes:
        share: of all results, 0 to 1.
        max_characters: a result and its records together; longer ones are not judged.
    """

    share: float = 1.0
    max_characters: int = 60_000

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError("share must be from 0 to 1")


@dataclass(slots=True)
class JudgingTally:
    """Results that were not judged; may be read from another thread.

    Attributes:
        left_out: not among the sample.
        without_records: their records are not on Kafka any more.
        too_long: longer than one question may be.
        paused: their tenant has spent a budget for it.
    """

    left_out: int = 0
    without_records: int = 0
    too_long: int = 0
    paused: int = 0
