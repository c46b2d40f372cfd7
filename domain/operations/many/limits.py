"""How much of a request goes into one prompt, and how much is asked at once."""

from dataclasses import dataclass

MAX_FINDINGS_CHARACTERS = 6_000
"""How long the answer for one chunk may be: some 2,000 tokens in English, so that a prompt takes a dozen of them."""

# A result has to fit on its topic, which takes 1 MiB (1,048,588 bytes) unless its `max.message.bytes` says otherwise.
# These are shares of that in bytes of JSON, escapes counted as they are written. The rest is for a model's words (an
# answer of 50,000 characters, or 50 themes of some 1,100, of four bytes each), for originals that are put back
# (`domain.privacy.anonymised.MOST_RESTORED`) and for where the 256 parts of a request stand on Kafka.
MAX_TREND_BYTES = 480_000
MAX_ID_BYTES = 600_000
"""Of all lists of ids in a summary together, those of excluded chunks included."""
MAX_EXCLUDED_ID_BYTES = 100_000
MAX_EXCLUDED_CHUNKS = 500
"""So many excluded chunks are listed, at less than 100 bytes each without their ids."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request.

    Attributes:
        token_budget: tokens of one user message at most, as `domain.llm.tokens` counts, envelopes included.
        calls_at_once: how many questions of one request are asked at the same time.
        kept_for_reduce: the share of the invocation's time that is not spent on reading chunks.
        progress_seconds: the least time between two words of progress.
    """

    token_budget: int = 24_000
    calls_at_once: int = 16
    kept_for_reduce: float = 0.25
    progress_seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.token_budget < 1 or self.calls_at_once < 1 or not 0 <= self.kept_for_reduce < 1:
            raise ValueError("token_budget and calls_at_once are 1 or more, kept_for_reduce is a share below 1")

    def budget(self, room: int) -> int:
        """Tokens that a user message may have where the models have room for so many: no more than the token budget."""
        return min(self.token_budget, room)
