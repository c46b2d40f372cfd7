"""Placeholders: what they stand for, and that nothing else is ever put in their place."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.privacy.anonymised import Anonymised, anonymised, untouched
from domain.privacy.kinds import Kind
from domain.privacy.spans import Span, settled

# Texts that are likely to look like placeholders themselves.
PIECES = st.sampled_from(
    [kind.value for kind in Kind]
    + [
        "[EMAIL_1]",
        "email_1",
        "[PERSON_1",
        "PERSON_12]",
        "[",
        "]",
        "_",
        "\\",
        "1",
        "12",
        " ",
        "é",
        "İ",
        "EMAİL_1",
        "٣",
        "-",
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=12).map("".join)


@st.composite
def texts_with_spans(draw: st.DrawFn) -> tuple[list[str], list[list[Span]]]:
    texts = draw(st.lists(TEXTS, min_size=1, max_size=4))
    spans = []
    for text in texts:
        cuts = draw(st.lists(st.integers(0, len(text)), max_size=6, unique=True).map(sorted))
        pairs = zip(cuts[::2], cuts[1::2], strict=False)
        spans.append([Span(start, end, draw(st.sampled_from(Kind))) for start, end in pairs])
    return texts, spans


def made(texts: list[str], spans: list[list[Span]]) -> Anonymised:
    return anonymised(texts, spans, ["test"], [None] * len(texts))


def of(*originals: tuple[Kind, str]) -> Anonymised:
    """One text that holds these originals, with spaces between."""
    spans, at = [], 0
    for kind, original in originals:
        spans.append(Span(at, at + len(original), kind))
        at += len(original) + 1
    return made([" ".join(original for _, original in originals)], [spans])


@settings(deadline=None)
@given(texts_with_spans())
def test_what_is_restored_is_what_was_there(given_: tuple[list[str], list[list[Span]]]) -> None:
    texts, spans = given_
    found = made(texts, spans)
    assert [found.restoring()(text) for text in found.texts] == texts


@settings(deadline=None)
@given(texts_with_spans())
def test_no_placeholder_stands_in_the_rest_of_any_text(given_: tuple[list[str], list[list[Span]]]) -> None:
    texts, spans = given_
    found = made(texts, spans)
    for text, its in zip(texts, spans, strict=True):
        start = 0
        for end, behind in [(span.start, span.end) for span in its] + [(len(text), len(text))]:
            assert found.restoring()(text[start:end]) == text[start:end]
            start = behind


@settings(deadline=None)
@given(texts_with_spans())
def test_the_same_original_has_one_placeholder_and_no_two_share_one(given_: tuple[list[str], list[list[Span]]]) -> None:
    texts, spans = given_
    originals = {
        (span.kind, text[span.start : span.end]) for text, its in zip(texts, spans, strict=True) for span in its
    }
    found = made(texts, spans)
    placeholders = {
        (kind, found.restoring()(f"[{kind}_{number}]"))
        for kind in Kind
        for number in range(1, 60)
        if found.restoring()(f"[{kind}_{number}]") != f"[{kind}_{number}]"
    }
    renamed = {(kind, text) for kind, text in originals if not re.fullmatch(r"\[\w+_\d+\]", text)}
    assert renamed <= placeholders
    assert sum(found.counts.values()) == sum(len(its) for its in spans)


def test_numbers_run_over_all_texts_of_a_call() -> None:
    texts = ["a@x.org b@x.org", "b@x.org c@x.org"]
    spans = [[Span(0, 7, Kind.EMAIL), Span(8, 15, Kind.EMAIL)]] * 2
    found = made(texts, spans)
    assert found.texts == ("[EMAIL_1] [EMAIL_2]", "[EMAIL_2] [EMAIL_3]")
    assert found.counts == {Kind.EMAIL: 4}


def test_a_number_that_something_unseen_parts_from_a_word_is_not_used() -> None:
    found = made(["a@x.org", "EMAIL_1\x80or"], [[Span(0, 7, Kind.EMAIL)], []])
    assert found.texts == ("[EMAIL_2]", "EMAIL_1\x80or")


def test_a_number_that_stands_in_another_text_is_not_used() -> None:
    found = made(["a@x.org", "see email_1, [EMAIL 2] and PERSON_3"], [[Span(0, 7, Kind.EMAIL)], []])
    assert found.texts[0] == "[EMAIL_3]"
    assert found.restoring()("[EMAIL_1] [EMAIL_2] [EMAIL_3]") == "[EMAIL_1] [EMAIL_2] a@x.org"


@pytest.mark.parametrize(
    "spelt",
    [
        "[PERSON_1]", "[person_1]", "PERSON_1", "person_1", "[PERSON_1", "PERSON_1]", "[PERSON 1]", "[PERSON-1]",
        "[PERSON1]", "[ PERSON_1 ]", r"\[PERSON\_1\]", r"[PERSON\_1]", "[PERSON_١]", "[PERSON_01]",
    ],
)  # fmt: skip
def test_a_placeholder_spelt_a_little_differently_is_understood(spelt: str) -> None:
    assert of((Kind.PERSON, "Amina")).restoring()(f"So {spelt}, too.") == "So Amina, too."


@pytest.mark.parametrize(
    "other",
    [
        "PERSON_12", "[PERSON_12]", "[PERSON_1a]", "XPERSON_1", "PERSON_1_", "person 1", "PERSON1", "[PERSONNE_1]",
        "[EMAIL_1]", "[PERSON_2]", "[PERSON_]", "[PERSON__1]", "PERSON", "[PERSON_9999999999]", "[PERSON.1]",
    ],
)  # fmt: skip
def test_what_is_not_surely_our_placeholder_stays(other: str) -> None:
    assert of((Kind.PERSON, "Amina")).restoring()(f"So {other}, too.") == f"So {other}, too."


def test_twelve_is_never_one_and_a_two() -> None:
    found = of(*((Kind.PERSON, f"N{number}") for number in range(1, 13)))
    assert found.restoring()("PERSON_1 [person_12] PERSON_11") == "N1 N12 N11"


def test_kinds_can_be_left_out() -> None:
    found = of((Kind.PERSON, "Amina"), (Kind.PHONE, "0612345678"))
    assert found.restoring(without={Kind.PERSON})("[PERSON_1]: [PHONE_1]") == "[PERSON_1]: 0612345678"


def test_originals_are_not_searched_for_placeholders() -> None:
    found = of((Kind.URL, "x.org/[PHONE_1]"), (Kind.PHONE, "0612345678"))
    assert found.restoring()("[URL_1] [PHONE_1]").startswith("x.org/[PHONE_1] ")


def test_a_long_original_does_not_fill_the_memory() -> None:
    found = of((Kind.URL, "x" * 40_000))
    assert found.restoring()("[URL_1] " * 1000) == f"{'x' * 40_000} " * 2 + "[URL_1] " * 998


def test_what_was_restored_can_be_hidden_again() -> None:
    found = of((Kind.PERSON, "Al"), (Kind.PHONE, "0612345678"), (Kind.PHONE, "061234567"))
    assert (
        found.hide("Also Al: 0612345678, 061234567, 90612345678")
        == "Also [PERSON_1]: [PHONE_1], [PHONE_2], 90612345678"
    )
    assert of().hide("Al") == "Al"


def test_originals_do_not_show() -> None:
    assert "Amina" not in repr(of((Kind.PERSON, "Amina")))


def test_a_result_is_told_who_looked_and_how_much_was_replaced_and_not_what() -> None:
    texts = ["a@x.org 0612345678", "b@x.org", "..."]
    spans = [[Span(0, 7, Kind.EMAIL), Span(8, 18, Kind.PHONE)], [Span(0, 7, Kind.EMAIL)], []]
    told = anonymised(texts, spans, ["email", "phone"], ["fr", "en", None]).told()
    assert told.model_dump() == {
        "recognisers": ("email", "phone"),
        "languages": ("fr", "en"),
        "replaced": {"EMAIL": 2, "PHONE": 1},
    }
    assert untouched(texts).told().recognisers == ()


def test_untouched_texts_restore_to_themselves() -> None:
    found = untouched(["[EMAIL_1]", ""])
    assert found.texts == ("[EMAIL_1]", "")
    assert found.restoring()("[EMAIL_1]") == "[EMAIL_1]"
    assert not found.counts


def test_the_earlier_recogniser_comes_first_and_the_later_keeps_the_rest() -> None:
    text = "01234 6789abcdefg"
    first = [Span(7, 10, Kind.EMAIL)]
    second = [Span(0, 8, Kind.URL), Span(12, 15, Kind.URL), Span(12, 14, Kind.IP), Span(14, 17, Kind.IP)]
    assert settled(text, [first, second]) == [
        Span(0, 7, Kind.URL),
        Span(7, 10, Kind.EMAIL),
        Span(12, 15, Kind.URL),
        Span(15, 17, Kind.IP),
    ]
    assert settled("a, b", [[Span(0, 1, Kind.URL)], [Span(0, 3, Kind.IP)]]) == [Span(0, 1, Kind.URL)]


SPANS = st.lists(
    st.builds(
        lambda at, length, kind: Span(at, at + length, kind),
        st.integers(0, 30),
        st.integers(1, 9),
        st.sampled_from(Kind),
    ),
    max_size=6,
)


@settings(deadline=None)
@given(st.lists(SPANS, max_size=4))
def test_whatever_was_found_is_covered_once(found: list[list[Span]]) -> None:
    spans = settled("x" * 40, found)
    covered = [at for span in spans for at in range(span.start, span.end)]
    assert covered == sorted({at for group in found for span in group for at in range(span.start, span.end)})
