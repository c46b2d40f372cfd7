"""Putting many findings together: in groups that fit one prompt, the outcomes in groups again, until one is left."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from domain.errors import DeadlineExceededError, InvalidOutputError, LLMError
from domain.operations.many.parallel import in_parallel

T = TypeVar("T")

FEWEST = 2
"""A group has at least two, whatever their size: otherwise the tree would never end."""

SHRINKS_TO = 0.75
"""So much of the findings is left after a level at most, for the same reason."""


def _as_they_are(findings: list[T], _: int) -> list[T]:
    return findings


@dataclass(frozen=True, slots=True)
class Tree(Generic[T]):
    """How to reduce.

    Attributes:
        size: tokens of one finding in a prompt; at most half of `room`.
        budget: tokens of all findings in one prompt, where these are more than two.
        room: tokens of all findings that a prompt takes at all.
        merge: puts a group together, `last` telling that nothing comes after it.
        at_once: how many groups are put together at the same time.
        level: called with the number of groups before each level.
        merged: awaited after each group.
        shortened: leaves so many of the findings, in their order, where a level did not put enough together; not needed
            where a group always becomes one.
    """

    size: Callable[[T], int]
    budget: int
    room: int
    merge: Callable[[Sequence[T], bool], Awaitable[list[T]]]
    at_once: int
    level: Callable[[int], Awaitable[None]]
    merged: Callable[[], Awaitable[None]]
    shortened: Callable[[list[T], int], list[T]] = _as_they_are

    async def reduce(self, findings: Sequence[T]) -> list[T]:
        """What the last merge made of it. A group that fails is tried in halves; where these fail, too, it is over.

        Raises:
            InvalidOutputError, LLMError, DeadlineExceededError: a merge failed, and so did a half of it.
        """
        left = list(findings)
        while len(groups := packed(left, self.size, self.budget)) > 1:
            await self.level(len(groups))
            outcomes = await in_parallel([self._merging(group) for group in groups], self.at_once)
            most = max(1, int(len(left) * SHRINKS_TO))
            left = [finding for outcome in outcomes for finding in outcome]
            left = left if len(left) <= most else self.shortened(left, most)
        await self.level(1)
        outcome = await self._or_halves(groups[0], last=True)
        await self.merged()
        return outcome

    def _merging(self, group: Sequence[T]) -> Callable[[], Awaitable[list[T]]]:
        async def work() -> list[T]:
            outcome = await self._or_halves(group, last=False)
            await self.merged()
            return outcome

        return work

    async def _or_halves(self, group: Sequence[T], *, last: bool) -> list[T]:
        if len(group) == 1 and not last:
            return list(group)
        try:
            return await self.merge(group, last)
        except DeadlineExceededError:
            raise
        except (InvalidOutputError, LLMError):
            if len(group) <= FEWEST:
                raise
        middle = len(group) // 2
        halves = [await self._or_halves(half, last=False) for half in (group[:middle], group[middle:])]
        return await self.merge(self._within([finding for half in halves for finding in half]), last)

    def _within(self, findings: list[T]) -> list[T]:
        """As many of the findings as one prompt takes: what was made of two halves may be longer than these were."""
        while len(findings) > FEWEST and sum(map(self.size, findings)) > self.room:
            fewer = self.shortened(findings, max(FEWEST, int(len(findings) * SHRINKS_TO)))
            if len(fewer) == len(findings):
                break
            findings = fewer
        return findings


def packed(items: Sequence[T], size: Callable[[T], int], budget: int) -> list[list[T]]:
    """Neighbours in groups of up to `budget` tokens, at least two in each but for a last one that is left over."""
    groups: list[list[T]] = []
    taken = 0
    for item in items:
        added = size(item)
        if not groups or (len(groups[-1]) >= FEWEST and taken + added > budget):
            groups.append([])
            taken = 0
        groups[-1].append(item)
        taken += added
    return groups
