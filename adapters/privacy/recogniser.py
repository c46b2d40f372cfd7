"""What finds one sort of personal data."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Protocol, TypeVar

from domain.privacy.spans import Span

Group = TypeVar("Group")


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


@cache
def listed(name: str) -> Mapping[str, str]:
    """What a file beside this one lists: by heading, such as `call en`, its lines as one."""
    found: dict[str, list[str]] = {}
    for line in files(__package__).joinpath(name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            heading, _, rest = line[1:].partition("]")
            found.setdefault(heading, []).append(rest)
    return {heading: ",".join(lines) for heading, lines in found.items()}


def alternatives(name: str, what: str) -> str:
    """The words of every language under `what` in such a file, as a regular expression.

    They stand between commas. A space may be missing in what people write; a word that ends in ~ may go on.
    """
    lists = (words for heading, words in listed(name).items() if heading.split()[0] == what)
    written = {_expression(word.strip()) for words in lists for word in words.split(",")}
    return "|".join(sorted(written, key=lambda one: (-len(one), one)))


def _expression(word: str) -> str:
    stem = word.removesuffix("~")
    escaped = "".join(_ESCAPED.get(character, character) for character in stem)
    return escaped if stem != word or not word[-1].isalpha() else escaped + r"(?![^\W\d_])"


_ESCAPED = {" ": " ?", "'": "['’ʼ]"} | {character: f"\\{character}" for character in ".$()[]?*+|^"}


def walked(groups: Sequence[Group], most: int, taken: Callable[[Sequence[Group]], int]) -> Iterator[Sequence[Group]]:
    """Groups of digits that belong together: several numbers may stand side by side, and others between.

    Args:
        groups: in the order of the text.
        most: how many can make one number.
        taken: how many of these, from the first on, make a number; 0: the first begins none.
    """
    first = 0
    while first < len(groups):
        count = taken(groups[first : first + most])
        if count:
            yield groups[first : first + count]
        first += count or 1
