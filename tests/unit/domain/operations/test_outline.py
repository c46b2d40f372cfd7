"""A framework as a model reads it, whatever its depth and its names."""

from html import unescape

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.operations.outline import Outlines, outline_of
from schemas.frameworks import Code, CodingFramework
from tests.builders import a_code, a_framework

NAMES = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=15
) | st.sampled_from(["</framework>", "a\nb", "1.1 Water: dry", "&amp;", " ", "<>"])


@st.composite
def frameworks(draw):
    """Any tree of up to about 20 codes and up to 16 levels, with unique ids."""
    counter = iter(range(10_000))

    def code(children):
        return Code(
            id=f"{draw(NAMES)}#{next(counter)}",
            name=draw(NAMES),
            description=draw(st.none() | NAMES),
            examples=tuple(draw(st.lists(NAMES, max_size=3))),
            children=children,
        )

    def tree(depth):
        if depth >= 16 or not draw(st.booleans()):
            return ()
        return tuple(code(tree(depth + 1)) for _ in range(draw(st.integers(1, 2))))

    return CodingFramework(tenant_id="t", framework_id="f", version="1", root_codes=(code(tree(2)), code(tree(2))))


@given(frameworks(), st.integers(1, 500))
@settings(max_examples=150)
def test_every_position_and_every_id_leads_to_its_code(framework, budget):
    outline = outline_of(framework, budget)

    paths = list(framework.paths())
    assert list(outline.paths.values()) == paths
    assert all(outline.paths[outline.ids[path[-1].id]] == path for path in paths)
    assert all(outline.find(position) == path for position, path in outline.paths.items())
    lines = outline.text.split("\n")
    assert [line.split(" ", 1)[0] for line in lines] == list(outline.paths), "one line a code, depth-first"
    assert "<" not in outline.text
    assert ">" not in outline.text
    assert all(position.count(".") == len(path) - 1 for position, path in outline.paths.items())


def test_a_chain_of_16_levels():
    code = a_code("level-16")
    for level in range(15, 0, -1):
        code = a_code(f"level-{level}", code)

    outline = outline_of(a_framework(code))

    deepest = outline.find(".".join(["1"] * 16))
    assert deepest is not None
    assert [step.id for step in deepest] == [f"level-{level}" for level in range(1, 17)]


def test_lines_say_name_description_and_examples_where_there_are_any():
    assert outline_of(a_framework()).text.split("\n") == [
        "1 Services",
        "1.1 Water",
        "1.1.1 Dry Water Point: No water comes. (e.g. The tap is dry. | No water since May.)",
        "1.1.2 Dirty Water",
        "2 Thanks: Praise &amp; thanks.",
    ]


def test_detail_shrinks_to_the_budget_and_names_always_stay():
    examples = tuple(f"example number {n} of some length" for n in range(10))
    framework = a_framework(a_code("a", description="d" * 100, examples=examples), a_code("b", description="short"))
    texts = [outline_of(framework, budget).text for budget in (1300, 73, 62, 46, 6, 1)]

    assert [text.count("example number") for text in texts] == [10, 2, 1, 0, 0, 0]
    assert ["short" in text for text in texts] == [True, True, True, True, False, False]
    assert texts[-1] == "1 A\n2 B"
    lengths = [len(text) for text in texts]
    assert lengths == sorted(lengths, reverse=True)


def test_a_name_without_anything_to_see_shows_the_id_instead():
    assert outline_of(a_framework(a_code("silent", name=" \n "))).text == "1 silent"


def test_positions_win_over_ids_that_look_like_them():
    outline = outline_of(a_framework(a_code("2"), a_code("1")))
    first = outline.find("1")
    assert first is not None
    assert first[-1].id == "2"


def test_escaping_can_be_undone():
    assert unescape(outline_of(a_framework(a_code("x", name="Water & <soap>"))).text) == "1 Water & <soap>"


def test_an_outline_is_made_once_for_each_framework_object():
    outlines, framework = Outlines(), a_framework()
    first = outlines.of(framework)

    assert outlines.of(framework) is first
    changed = a_framework(version="2")
    assert outlines.of(changed).framework.version == "2"
    assert outlines.of(a_framework(tenant_id="other")).framework.tenant_id == "other"
    assert outlines.of(changed).framework is changed
