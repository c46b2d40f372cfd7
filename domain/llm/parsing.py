"""How an answer is read, where its last try is read otherwise than those before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class LenientAtLast(Generic[T_co]):
    """A parser that takes less from the last try, after which nobody asks again: what can be used beats nothing.

    Attributes:
        parse: reads each answer, or raises InvalidOutputError, so that the model is asked again.
        at_last: reads the answer of the last try in its place, or raises InvalidOutputError.
    """

    parse: Callable[[str], T_co]
    at_last: Callable[[str], T_co]

    def __call__(self, text: str) -> T_co:
        """As `parse`."""
        return self.parse(text)
