"""What the answers took: LLM calls, tokens, money. What nobody told is unknown, never 0."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from schemas.llm_calls import LLMCall


@dataclass(slots=True)
class Spending:
    """Sums over LLM calls, failed attempts included.

    Attributes:
        calls, failed: all, and those that brought no usable answer.
        input_tokens, output_tokens: as far as providers told.
        untold: calls of which no usage is known.
        cost_usd: of those whose cost is known.
        unpriced: those whose cost is not.
    """

    calls: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    untold: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0

    def add(self, call: LLMCall) -> None:
        """Count one call."""
        self.calls += 1
        self.failed += call.status != "ok"
        self.untold += call.input_tokens is None or call.output_tokens is None
        self.input_tokens += call.input_tokens or 0
        self.output_tokens += call.output_tokens or 0
        self.cost_usd += call.cost_usd or 0
        self.unpriced += call.cost_usd is None

    @classmethod
    def total(cls, parts: Iterable["Spending"]) -> "Spending":
        """All of them together."""
        whole = cls()
        for part in parts:
            whole += part
        return whole

    def __iadd__(self, other: "Spending") -> "Spending":
        for name in Spending.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    @property
    def tokens_known(self) -> bool:
        """Whether any usage was told, or there was nothing to tell."""
        return self.untold < self.calls or not self.calls

    @property
    def cost_known(self) -> bool:
        """Whether the cost of every call is known."""
        return not self.unpriced
