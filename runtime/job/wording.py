"""What is wrong with a value in a person's file, in the words of `domain.wording`: never the value itself."""

from collections.abc import Sequence

from domain.wording import kind_of, problems_of
from schemas.base import shown

__all__ = ["kind_of", "listed", "problems_of", "why_no_text"]


def why_no_text(value: object, longest: int) -> str | None:
    """What keeps a value from being a text of 1 to `longest` characters without NUL; None where nothing does."""
    if not isinstance(value, str):
        return f"it is {kind_of(value)}"
    if not value:
        return "it is empty"
    if len(value) > longest:
        return f"it has more than {longest} characters"
    return "it holds a NUL character" if "\x00" in value else None


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first few of many: `a, b, c and 4 more`."""
    told = ", ".join(map(shown, names[:most]))
    return told if len(names) <= most else f"{told} and {len(names) - most} more"
