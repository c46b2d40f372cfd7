"""What finds one sort of personal data."""

from collections.abc import Sequence
from typing import Protocol

from domain.privacy.spans import Span


class Recogniser(Protocol):
    """Finds personal data in one text. Used by several threads at a time.

    Attributes:
        name: what results call it by.
    """

    @property
    def name(self) -> str: ...

    def find(self, text: str, language: str | None) -> Sequence[Span]:
        """Where something personal stands.

        Args:
            text: as `adapters.privacy.folding` gives it.
            language: its language's code, or None where it cannot be told; a region may follow (`fr-CD`).
        """
        ...


def words(text: str) -> frozenset[str]:
    """The words of a list that is written as text."""
    return frozenset(text.split())
