"""The cases: each a function under a name, found in `tests/chaos/cases`."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos import cases
from tests.chaos.stage import Stage

Story = Callable[[Stage], Awaitable[None]]

_CASES: dict[str, "Case"] = {}


@dataclass(frozen=True, slots=True)
class Case:
    """A fault and what is done about it.

    Attributes:
        name: what it is called on the command line.
        story: does it all, up to where everything is settled; the invariants are checked afterwards.
        about: one line for people.
        quick: whether it belongs to the quick subset.
        seconds: how long it may take.
        by_name: whether it runs only when it is named.
    """

    name: str
    story: Story
    about: str
    quick: bool
    seconds: float
    by_name: bool


def case(name: str, *, quick: bool = False, seconds: float = 300, by_name: bool = False) -> Callable[[Story], Story]:
    """Make a case of a function: its docstring's first line says what it is about."""

    def add(story: Story) -> Story:
        assert name not in _CASES, f"two cases are called {name}"
        about = (story.__doc__ or "").strip().partition("\n")[0]
        _CASES[name] = Case(name, story, about, quick, seconds, by_name)
        return story

    return add


def all_cases() -> dict[str, Case]:
    """Every case by its name, in the order of the files and of their lines."""
    for module in sorted(found.name for found in pkgutil.iter_modules(cases.__path__)):
        importlib.import_module(f"{cases.__name__}.{module}")
    return _CASES
