"""A model's words are untrusted: bounded, parsed strictly, never quoted."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidOutputError
from domain.operations import analyze, assign_codes, summarize
from domain.operations.answers import confidence, json_object, plain_text, shown_text
from domain.operations.outline import outline_of
from tests.builders import a_framework

OUTLINE = outline_of(a_framework())
PARSERS = (lambda text: assign_codes.parse(text, OUTLINE), summarize.parse, analyze.parse)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "codes": st.lists(
            st.fixed_dictionaries({}, optional={"id": JSON_VALUES, "confidence": JSON_VALUES}), max_size=3
        )
        | JSON_VALUES,
        "abstained_because": JSON_VALUES,
        "title": JSON_VALUES,
        "bullets": JSON_VALUES,
        "answer": JSON_VALUES,
        "confidence": JSON_VALUES,
    },
)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        ' \n{"a": 1}\n',
        '```json\n{"a": 1}\n```',
        '```\n{"a": 1}\n```',
        'Here you are:\n```json\n{"a": 1}\n```\nAnything else?',
    ],
)
def test_json_is_found_fenced_or_not(text):
    assert json_object(text) == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "[1]",
        "null",
        '{"a": NaN}',
        '{"a": 1} {"b": 2}',
        '{"a": ',
        '{"a": "\\ud800"}',
        '{"a": "\ud800"}',
        "\udfff",
        '{"a":' * 5000,
        "[" * 99_999,
    ],
)
def test_anything_else_is_refused_without_quoting_it(text):
    with pytest.raises(InvalidOutputError, match="not one JSON object"):
        json_object(text)


def test_a_huge_answer_is_not_even_parsed():
    with pytest.raises(InvalidOutputError, match="longer than 200000"):
        json_object('{"a": "' + "x" * 200_000 + '"}')


ANY_CHARACTERS = st.text(st.characters(), max_size=40)  # halves of surrogate pairs, too: json.loads lets them through


@given(
    st.text(max_size=200)
    | ANY_CHARACTERS
    | ANY_CHARACTERS.map(lambda text: f'{{"answer": "{text}", "confidence": 0.5}}')
    | LIKELY.map(json.dumps)
)
def test_no_answer_breaks_a_parser(text):
    for parse in PARSERS:
        with suppress(InvalidOutputError):
            parse(text)


def test_text_for_people_is_one_line_of_bounded_length():
    assert plain_text("  a\n\tb\x00\x1b[31m c  ", 100) == "a b c"
    assert plain_text("word " * 1000, 20) == "word word word word…"
    assert plain_text(7, 100) == ""


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\ufeffa\u200bb\u202e c\u2066", "ab c"),
        ("می\u200cخواهم \u200d 👩\u200d💧", "می\u200cخواهم  👩\u200d💧"),
        ("\x1b]0;title\x07a\x1b[1;31mb\x9b0m\x1b(Bc\x1b[3", "abc"),
        ("\x1b]an end that never comes", "an end that never comes"),
        ("\u0601٣", "\u0601٣"),
        ("one\n\ttwo", "one\n\ttwo"),
        ("\u200b \u2800\u3164\ufe0f\u2028\x1b[0m", ""),
    ],
)
def test_what_is_not_seen_is_gone(written: str, shown: str):
    assert shown_text(written) == shown


@pytest.mark.parametrize("value", [True, "0.5", None, -0.1, 1.1, float("nan"), [0.5]])
def test_only_numbers_from_0_to_1_are_confidences(value):
    assert confidence(value) is None
    assert confidence(1) == 1.0
    assert str(confidence(-0.0)) == "0.0"


def test_every_end_of_a_line_is_a_line_feed_and_nothing_hides_behind_a_letter():
    assert shown_text("one\r\ntwo\rthree\x85four\vfive\n\tsix") == "one\ntwo\nthree\nfour\nfive\n\tsix"
    hidden = "".join(chr(0xE0100 + ord(letter)) for letter in "obey")
    assert shown_text(f"Thanks!{hidden} 葛{hidden}") == f"Thanks! 葛{hidden[0]}"
