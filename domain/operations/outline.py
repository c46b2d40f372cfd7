"""A coding framework as a model reads it: one code a line, under short position numbers, within a token budget."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from domain.llm.tokens import estimated
from domain.prompts.envelope import block, one_line
from domain.prompts.instructions import Instructions, instructions_for
from schemas.frameworks import Code, CodingFramework
from schemas.operations import Operation
from schemas.results import Narrowed

DEFAULT_TOKEN_BUDGET = 21_500
MAX_CACHED = 256

CodePath = tuple[Code, ...]
"""A code and all above it, from the root down."""


@dataclass(frozen=True, slots=True)
class Detail:
    """How much is said of each code: its description, and at most so many examples (None: all)."""

    description: bool
    examples: int | None


LEVELS_OF_DETAIL = (Detail(True, None), Detail(True, 2), Detail(True, 1), Detail(True, 0), Detail(False, 0))
"""From all there is to names only; the first that fits the budget is taken, the last one always does."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A framework, rendered once for all prompts that use it.

    Attributes:
        framework: what it was made from.
        text: the framework's lines, depth-first, without the tags around them.
        system: the stable part of the system message: instructions, then the framework in its tags.
        instructions: the instructions in `system`.
        paths: the path of each code by its position, such as `1.2.1`.
        ids: the position of each code by its own id.
        fits: whether `text` keeps to the budget.
        narrowed: how much of the framework is left, where only a part is shown; `paths` and `ids` are of that part.
    """

    framework: CodingFramework
    text: str = field(repr=False)
    system: str = field(repr=False)
    instructions: Instructions = field(repr=False)
    paths: dict[str, CodePath] = field(repr=False)
    ids: dict[str, str] = field(repr=False)
    fits: bool = True
    narrowed: Narrowed | None = None

    def find(self, code_id: str) -> CodePath | None:
        """The path of a code by its position, or else by its own id; None where it is neither."""
        path = self.paths.get(code_id)
        if path is None and code_id in self.ids:
            path = self.paths[self.ids[code_id]]
        return path


def outline_of(framework: CodingFramework, token_budget: int = DEFAULT_TOKEN_BUDGET) -> Outline:
    """Render a framework with as much detail as fits into the budget, as `domain.llm.tokens` counts.

    Names alone are rendered even where they exceed it: which codes a record can do without, `Narrower` knows.
    """
    paths = dict(_positions(framework.root_codes))
    text, fits = "", False
    for detail in LEVELS_OF_DETAIL:
        text = "\n".join(line(position, path[-1], detail) for position, path in paths.items())
        if fits := estimated(text) <= token_budget:
            break
    return rendered(framework, text, paths, instructions_for(Operation.ASSIGN_CODES), fits=fits)


def rendered(
    framework: CodingFramework,
    text: str,
    paths: dict[str, CodePath],
    instructions: Instructions,
    *,
    fits: bool = True,
    narrowed: Narrowed | None = None,
) -> Outline:
    """The outline with these lines, of all codes or of some; see the attributes of `Outline`."""
    return Outline(
        framework=framework,
        text=text,
        system=f"{instructions.text}\n{block('framework', text)}",
        instructions=instructions,
        paths=paths,
        ids={path[-1].id: position for position, path in paths.items()},
        fits=fits,
        narrowed=narrowed,
    )


def _positions(root_codes: tuple[Code, ...]) -> Iterator[tuple[str, CodePath]]:
    """Every code with its position, parents before children."""
    stack: list[tuple[str, CodePath]] = [(str(n), (code,)) for n, code in reversed(list(enumerate(root_codes, 1)))]
    while stack:
        position, path = stack.pop()
        yield position, path
        children = reversed(list(enumerate(path[-1].children, 1)))
        stack.extend((f"{position}.{n}", (*path, child)) for n, child in children)


def line(position: str, code: Code, detail: Detail) -> str:
    """A code as a model reads it."""
    text = f"{position} {one_line(code.name) or one_line(code.id)}"
    description = one_line(code.description or "") if detail.description else ""
    if description:
        text += f": {description}"
    examples = list(filter(None, map(one_line, code.examples[: detail.examples])))
    if examples:
        text += f" (e.g. {' | '.join(examples)})"
    return text


class Outlines:
    """The outlines of the frameworks in use: each rendered once, and again when its framework changes."""

    def __init__(self, token_budget: int = DEFAULT_TOKEN_BUDGET) -> None:
        self._token_budget = token_budget
        self._cached: OrderedDict[tuple[str, str], Outline] = OrderedDict()

    def of(self, framework: CodingFramework) -> Outline:
        """The framework's outline. A framework counts as unchanged while it is the same object."""
        key = (framework.tenant_id, framework.framework_id)
        cached = self._cached.get(key)
        if cached is None or cached.framework is not framework:
            cached = self._cached[key] = outline_of(framework, self._token_budget)
        self._cached.move_to_end(key)
        if len(self._cached) > MAX_CACHED:
            self._cached.popitem(last=False)
        return cached
