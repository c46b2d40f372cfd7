"""A framework too large for a prompt: what a record gets to see of it, whatever the framework and the likeness."""

import pytest
from hypothesis import assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from domain.errors import InvalidOutputError
from domain.llm.tokens import estimated
from domain.operations import assign_codes
from domain.operations.narrowing import MISSES, Narrower, Texts
from domain.operations.outline import outline_of
from domain.prompts.instructions import instructions_for
from schemas.operations import Operation
from tests.builders import a_code, a_framework, a_record
from tests.unit.domain.operations.test_outline import frameworks

VERSION = f"{instructions_for(Operation.ASSIGN_CODES).version}+assign_codes.narrowed.v1"


def shown_in(outline):
    """The positions of the lines, in their order."""
    return [line.split(" ", 1)[0] for line in outline.text.split("\n")]


@given(frameworks(), st.integers(1, 120), st.randoms(use_true_random=False))
@examples(max_examples=200)
def test_those_above_are_shown_positions_stay_and_the_budget_is_kept(framework, budget, random):
    whole = outline_of(framework, budget)
    assume(not whole.fits)
    likeness = [random.random() for _ in whole.paths]

    part = Narrower(None, budget).by(whole, likeness)

    assert all(part.paths[position] is whole.paths[position] for position in part.paths), "the whole's positions"
    assert part.ids.items() <= whole.ids.items()
    for position in part.paths:
        above = position.rpartition(".")[0]
        assert not above or above in part.paths
    lines = shown_in(part)
    assert sorted(lines) == sorted(part.paths), "one line a code"
    assert all(lines.index(above) < place for place, each in enumerate(lines) if (above := each.rpartition(".")[0]))
    assert part.narrowed.codes_total == len(whole.paths)
    assert part.narrowed.codes_shown == len(part.paths)
    best = max(range(len(likeness)), key=lambda number: (likeness[number], -number))
    least = list(whole.paths)[best]
    assert least in part.paths, "the nearest code"
    if estimated(part.text) > budget:
        ends = {position for position, path in part.paths.items() if not path[-1].children}
        assert ends <= {least}, "over the budget only where not even the nearest code finds room"


@given(frameworks(), st.integers(1, 500))
def test_a_framework_that_fits_is_never_narrowed(framework, budget):
    whole = outline_of(framework, budget)
    assume(whole.fits)

    assert Narrower(None, budget).by(whole, []) is whole
    assert whole.narrowed is None


def a_large_framework(leaves=400):
    branches = [
        a_code(f"branch-{n}", *(a_code(f"leaf-{n}-{m}", description="What is said here. " * 3) for m in range(20)))
        for n in range(leaves // 20)
    ]
    return a_framework(*branches)


class Nearest:
    """Likeness with a word in common; counts what it is asked."""

    def __init__(self):
        self.asked = []

    async def of(self, content, texts: Texts):
        self.asked.append(texts.digest)
        return [float(content.lower() in text.lower()) for text in texts.texts]


async def test_all_branches_come_first_the_same_for_every_record_and_then_the_nearest_codes():
    likeness, budget = Nearest(), 500
    narrower, whole = Narrower(likeness, budget), outline_of(a_large_framework(), budget)

    first, second = [await narrower.narrowed(whole, f"Leaf {n} 7") for n in (3, 18)]

    branches = [str(n) for n in range(1, 21)]
    assert shown_in(first)[:20] == shown_in(second)[:20] == branches
    assert "4.8" in first.paths
    assert "19.8" in second.paths
    assert "4.8 Leaf 3 7: What is said here." in first.text, "with as much detail as there is room for"
    prefix = first.system[: first.system.index("20 Branch 19")]
    assert second.system.startswith(prefix), "what is the same can be cached"
    assert first.instructions.version == "assign_codes.v2+assign_codes.narrowed.v1"
    assert len(set(likeness.asked)) == 1, "the framework's texts are the same object of comparison"


async def test_nobody_is_asked_about_a_framework_that_fits():
    likeness = Nearest()
    whole = outline_of(a_framework())

    assert await Narrower(likeness).narrowed(whole, "water") is whole
    assert likeness.asked == []


async def test_a_code_that_was_not_shown_is_no_answer():
    budget = 500
    whole = outline_of(a_large_framework(), budget)
    part = await Narrower(Nearest(), budget).narrowed(whole, "Leaf 3 7")
    hidden = next(position for position in whole.paths if position not in part.paths)

    with pytest.raises(InvalidOutputError, match="does not exist"):
        assign_codes.parse(f'{{"codes": [{{"id": "{hidden}", "confidence": [0.9, 0.9], "reason": "x"}}]}}', part)


async def test_a_prompt_names_the_version_of_what_it_says_about_the_part():
    budget = 500
    part = await Narrower(Nearest(), budget).narrowed(outline_of(a_large_framework(), budget), "Leaf 3 7")

    prompt = assign_codes.prompt(a_record(), part)

    assert prompt.version == "assign_codes.v2+assign_codes.narrowed.v1"
    assert len(prompt.version + "+assign_codes.examples.v1") <= 100, "an LLM-call event takes no longer ones"


async def test_another_version_of_a_framework_is_taken_apart_anew():
    budget, likeness = 500, Nearest()
    narrower, framework = Narrower(likeness, budget), a_large_framework()
    await narrower.narrowed(outline_of(framework, budget), "Leaf 3 7")
    renamed = a_framework(*(replace_name(code) for code in framework.root_codes), version="2")

    part = await narrower.narrowed(outline_of(renamed, budget), "Leaf 3 7")

    assert part.framework is renamed
    assert "Renamed" in part.text
    assert len(set(likeness.asked)) == 2


def replace_name(code):
    return code.model_copy(update={"name": f"Renamed {code.name}"})


def test_a_code_that_finds_no_room_is_passed_over_for_shorter_ones_but_not_for_ever():
    long_names = [a_code(f"long-{n}", name="x" * 900) for n in range(MISSES + 1)]
    few, many = [a_framework(*long_names[:count], a_code("short")) for count in (MISSES, MISSES + 1)]
    budget = 400

    shown = [
        Narrower(None, budget).by(outline_of(framework, budget), range(len(framework.root_codes), 0, -1)).ids
        for framework in (few, many)
    ]

    assert list(shown[0]) == ["long-0", "short"]
    assert list(shown[1]) == ["long-0"], "long enough was looked for more"
