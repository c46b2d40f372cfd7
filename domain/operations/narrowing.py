"""Showing a model the part of a framework that is nearest to a record, where the whole is too large for a prompt.

What every record of the framework gets comes first, so that a provider can cache it: the instructions, then, as far as
half of the budget takes them, the names of all codes that have others below them. Then come the codes nearest to the
record, with as much detail as each still finds room for. No code is shown without those above it, and each keeps the
position that it has in the whole framework.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from domain.llm.tokens import estimated
from domain.operations.outline import DEFAULT_TOKEN_BUDGET, CodePath, Detail, Outline, line, rendered
from domain.prompts.instructions import Instructions, addition, instructions_for
from schemas.operations import Operation
from schemas.results import Narrowed

MAX_CACHED = 16
SHARE_OF_BRANCHES = 0.5
"""Of the budget, at most: what branches take, the codes nearest to the record cannot have."""
MAX_TEXT_CHARACTERS = 600
MISSES = 20
"""The budget counts as full when so many codes in a row found no room."""
_NAME = Detail(False, 0)
_DETAILS = (Detail(True, 3), Detail(True, 1), Detail(True, 0), _NAME)


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a framework's codes, to be compared with records.

    Attributes:
        texts: one for each code.
        digest: the same for the same texts.
    """

    texts: tuple[str, ...] = field(repr=False)
    digest: bytes

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Texts":
        """These texts, each cut to 600 characters."""
        kept = tuple(text[:MAX_TEXT_CHARACTERS] for text in texts)
        joined = "\x00".join(kept).encode("utf-8", "surrogatepass")
        return cls(kept, hashlib.blake2b(joined, digest_size=16).digest())


class Likeness(Protocol):
    """Says how near texts are to each other in meaning."""

    async def of(self, content: str, texts: Texts) -> Sequence[float]:
        """How near each of the texts is to the content, the nearest highest; the same for the same texts every time.

        Long work is done off the event loop, and what is derived from `texts` is kept.
        """
        ...


class Narrower:
    """Makes outlines of parts of frameworks.

    Args:
        likeness: compares records with codes; used, and so loaded, only when a framework needs it.
        token_budget: how long a framework may be in a prompt, as `domain.llm.tokens` counts.
    """

    def __init__(self, likeness: Likeness, token_budget: int = DEFAULT_TOKEN_BUDGET) -> None:
        self._likeness = likeness
        self._budget = token_budget
        self._cached: OrderedDict[tuple[str, str], _Parts] = OrderedDict()

    async def narrowed(self, outline: Outline, content: str) -> Outline:
        """What of a framework is to be shown for a record; all of it where it fits.

        Args:
            outline: of the whole framework.
            content: the record's, as the model will see it.
        """
        if outline.fits:
            return outline
        parts = self._parts_of(outline)
        likeness = await self._likeness.of(content, parts.texts)
        return await asyncio.to_thread(self._shown, parts, likeness)  # 10 ms for 3,000 codes

    def by(self, outline: Outline, likeness: Sequence[float]) -> Outline:
        """The same for a known likeness of the codes, in the outline's order.

        The code with the highest is shown, with those above it, even where these alone exceed the budget.
        """
        return outline if outline.fits else self._shown(self._parts_of(outline), likeness)

    def _shown(self, parts: "_Parts", likeness: Sequence[float]) -> Outline:
        outline = parts.outline
        lines = _chosen(parts, likeness, self._budget)
        positions = [position for position in parts.positions if position in lines]
        first = [position for position in positions if position in parts.branches]
        shown = [lines[position] for position in first]
        shown += [lines[position] for position in positions if position not in parts.branches]
        return rendered(
            outline.framework,
            "\n".join(shown),
            {position: outline.paths[position] for position in positions},
            _instructions(),
            narrowed=Narrowed(codes_shown=len(positions), codes_total=len(outline.paths)),
        )

    def _parts_of(self, outline: Outline) -> "_Parts":
        """What all narrowings of a framework share. It counts as unchanged while it is the same object."""
        key = (outline.framework.tenant_id, outline.framework.framework_id)
        cached = self._cached.get(key)
        if cached is None or cached.outline.framework is not outline.framework:
            cached = self._cached[key] = _parts(outline, self._budget)
        self._cached.move_to_end(key)
        if len(self._cached) > MAX_CACHED:
            self._cached.popitem(last=False)
        return cached


@dataclass(frozen=True, slots=True)
class _Parts:
    """A framework taken apart.

    Attributes:
        outline: of all of it.
        positions: of all codes, depth-first.
        texts: of the codes, in the same order.
        branches: the lines that every record of the framework gets, by their positions.
    """

    outline: Outline = field(repr=False)
    positions: tuple[str, ...]
    texts: Texts = field(repr=False)
    branches: Mapping[str, str] = field(repr=False)


def _parts(outline: Outline, budget: int) -> _Parts:
    branches = {position: line(position, path[-1], _NAME) for position, path in outline.paths.items() if _inner(path)}
    if _size(branches.values()) > budget * SHARE_OF_BRANCHES:
        branches = {}
    return _Parts(outline, tuple(outline.paths), Texts.of(map(_text, outline.paths.values())), branches)


def _chosen(parts: _Parts, likeness: Sequence[float], budget: int) -> dict[str, str]:
    """The lines to be shown, by their positions: the branches, then code after code as long as there is room."""
    lines, paths = dict(parts.branches), parts.outline.paths
    left, misses = budget - _size(lines.values()), 0
    order = sorted(range(len(likeness)), key=lambda number: (-likeness[number], number))
    for number in order:
        position = parts.positions[number]
        if position in lines:
            continue
        extra = _with_those_above(position, paths, lines, left)
        size = _size(extra.values())
        if size <= left or number == order[0]:
            lines |= extra
            left, misses = left - size, 0
        elif (misses := misses + 1) == MISSES:
            break
    return lines


def _with_those_above(
    position: str, paths: Mapping[str, CodePath], shown: Collection[str], room: int
) -> dict[str, str]:
    """The lines that showing a code takes, with as much detail as there is room for; at least its name."""
    extra = {each: line(each, paths[each][-1], _NAME) for each in _above(position) if each not in shown}
    for detail in _DETAILS:
        extra[position] = line(position, paths[position][-1], detail)
        if _size(extra.values()) <= room:
            break
    return extra


def _above(position: str) -> list[str]:
    """The positions of the codes above one, from the root down."""
    steps = position.split(".")
    return [".".join(steps[:depth]) for depth in range(1, len(steps))]


def _size(lines: Iterable[str]) -> int:
    """Tokens of the lines, each with its end; together they take no more."""
    return sum(estimated(each + "\n") for each in lines)


def _inner(path: CodePath) -> bool:
    return bool(path[-1].children)


def _text(path: CodePath) -> str:
    """What a code is about: its name and description, below the name of the code above it."""
    code = path[-1]
    named = f"{path[-2].name} - {code.name}" if len(path) > 1 else code.name
    return f"{named}. {code.description}" if code.description else named


def _instructions() -> Instructions:
    usual, more = instructions_for(Operation.ASSIGN_CODES), addition("assign_codes.narrowed")
    return Instructions(f"{usual.version}+{more.version}", f"{usual.text}\n{more.text}")
