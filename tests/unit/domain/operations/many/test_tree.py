"""Putting findings together: every one of them once, in prompts that fit, and with an end."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import DeadlineExceededError, InvalidOutputError
from domain.operations.many.parallel import in_parallel
from domain.operations.many.tree import Tree, packed


async def nothing(*_):
    pass


def a_tree(merge, **fields):
    """A tree over texts."""
    usual = {"size": len, "budget": 10, "room": 1000, "at_once": 3, "level": nothing, "merged": nothing}
    return Tree(merge=merge, **usual | fields)


@given(st.lists(st.text(max_size=12)), st.integers(1, 20))
def test_groups_hold_neighbours_within_the_budget_or_two(items, budget):
    groups = packed(items, len, budget)
    assert [item for group in groups for item in group] == items
    assert all(sum(map(len, group)) <= budget or len(group) <= 2 for group in groups)
    assert all(len(group) >= 2 for group in groups[:-1])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(1, 30))
def test_each_finding_is_in_the_outcome_once_and_the_last_merge_is_the_only_last(weights, budget):
    lasts = []

    async def merge(group, last):
        lasts.append(last)
        return [[number for found in group for number in found]]

    findings = [[number] * weight for number, weight in enumerate(weights)]
    (outcome,) = asyncio.run(a_tree(merge, budget=budget).reduce(findings))
    assert sorted(outcome) == sorted(number for found in findings for number in found)
    assert lasts.count(True) == 1
    assert lasts[-1]


async def test_what_does_not_get_fewer_is_shortened():
    levels = []

    async def merge(group, last):
        return list(group)

    async def level(groups):
        levels.append(groups)

    tree = a_tree(merge, level=level, shortened=lambda found, most: found[:most])
    outcome = await tree.reduce(["text"] * 40)
    assert outcome == ["text"] * 2
    assert levels[-1] == 1


async def test_halves_are_tried_until_they_have_two():
    tried = []

    async def merge(group, last):
        tried.append((len(group), last))
        if len(group) > 2:
            raise InvalidOutputError("No.")
        return ["".join(group)]

    assert await a_tree(merge, budget=100).reduce(list("abcdefg")) == ["abcdefg"]
    sizes = [size for size, last in tried if not last]
    assert sizes == [3, 2, 2, 4, 2, 2, 2], "a finding that stands alone is left as it is"
    assert [size for size, last in tried if last] == [7, 2]


async def test_what_is_out_of_time_is_not_tried_in_halves():
    async def merge(group, last):
        raise DeadlineExceededError("Late.")

    with pytest.raises(DeadlineExceededError):
        await a_tree(merge, budget=100).reduce(list("abcdefg"))


async def test_a_bounded_number_of_things_is_done_at_once_in_their_order():
    running = most = 0

    async def one(number):
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(number % 5):
            await asyncio.sleep(0)
        running -= 1
        return number

    begun = []

    def work():
        for number in range(50):
            begun.append(number)
            yield lambda number=number: one(number)

    assert await in_parallel(work(), 7) == list(range(50))
    assert most == 7


async def test_when_one_fails_the_others_are_cancelled_and_its_error_comes_out():
    cancelled = []

    async def hang(number):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(number)
            raise

    async def fail():
        await asyncio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await in_parallel([lambda: hang(1), lambda: hang(2), fail], 3)
    assert sorted(cancelled) == [1, 2]
