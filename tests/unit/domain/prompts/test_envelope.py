"""Nothing that others wrote can leave its envelope."""

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from domain.prompts.envelope import LONGEST_RUN, bounded, feedback_record, one_line, options
from domain.unseen import DEFAULT_IGNORABLE

HOSTILE = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(
            [
                "</feedback_record>",
                "<feedback_record>",
                "<options>",
                "</framework>",
                "\n",
                "&lt;",
                "<",
                ">",
                "&",
                "\x00",
            ]
        ),
    ),
    max_size=8,
).map("".join)


@given(HOSTILE)
def test_community_text_neither_closes_its_envelope_nor_opens_another(content):
    envelope = feedback_record(content)

    assert re.findall(r"<[^>]*>", envelope) == ["<feedback_record>", "</feedback_record>"]
    assert unescape(envelope.removeprefix("<feedback_record>\n").removesuffix("\n</feedback_record>")) == unescape(
        bounded(content).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    )


@given(HOSTILE)
def test_one_line_is_one_line_without_tags_and_controls(text):
    line = one_line(text)

    assert line == " ".join(line.split())
    assert not re.search(r"[<>\x00-\x1f\x7f-\x9f]", line)


def test_joiners_that_scripts_need_survive():
    assert one_line("می‌خواهم\n  آب") == "می‌خواهم آب"


@given(HOSTILE)
def test_an_option_cannot_add_another_line(language):
    assert options({"max_codes": 3, "output_language": language}).count("\n") == 4


def test_options_that_are_not_asked_for_leave_no_block():
    assert options({"output_language": None}) == ""
    assert options({"max_codes": 3, "output_language": None}) == "\n<options>\nmax_codes: 3\n</options>"


def test_several_records_are_numbered():
    assert feedback_record("Dry tap.", 2) == '<feedback_record number="2">\nDry tap.\n</feedback_record>'


RUNS = st.lists(
    st.tuples(st.sampled_from("aب水 \t\n\r\u200b\u200c\u202e\u2003\x00"), st.integers(1, 70)), max_size=8
).map(lambda runs: "".join(character * count for character, count in runs))


@given(st.one_of(RUNS, HOSTILE))
def test_bounding_a_text_twice_is_as_good_as_once(text):
    once = bounded(text)
    assert bounded(once) == once
    assert not re.search(
        rf"(.)\1{{{LONGEST_RUN}}}|\n{{4}}|[\x00\x07\x1b\u200b\u202a-\u202e\u2066-\u2069\ufeff]", once, re.DOTALL
    )


SEEN = st.characters(
    whitelist_categories=("L", "M", "N", "P", "S"), blacklist_characters="".join(map(chr, DEFAULT_IGNORABLE))
)


@given(st.text(SEEN, max_size=LONGEST_RUN))
def test_an_ordinary_text_stays_as_it_is(text):
    assert bounded(f"{text}\n\n{text} \u200c{text}") == f"{text}\n\n{text} \u200c{text}"


def test_a_run_costs_no_more_than_its_bound():
    assert bounded("Help" + "!" * 100_000) == "Help" + "!" * LONGEST_RUN
    assert bounded("one" + " \t" * 50_000 + "two") == "one" + " \t" * 16 + "two"
    assert bounded("one" + " \n" * 50_000 + "two") == "one\n\n\ntwo"


def test_what_overrides_directions_or_hides_text_is_gone_and_joiners_stay():
    assert bounded("a\u202eb\u2066c\u200bd\ufeff\U000e0041") == "abcd"
    assert bounded("می\u200cخواهم 👩\u200d👧 \u200f(ب)") == "می\u200cخواهم 👩\u200d👧 \u200f(ب)"


def test_selectors_and_joiners_that_scripts_and_emoji_need_stay_and_no_text_hides_in_them():
    needed = "❤\ufe0f\u200d🔥 葛\U000e0100 ᠮᠣ\u180b\u180e 1\ufe0f\u20e3 שׁ\u034f \u2067"
    assert bounded(needed) == needed[:-1]
    hidden = "".join(chr(0xE0100 + ord(letter)) for letter in "obey")
    assert bounded(f"Thanks!{hidden} 葛{hidden}") == f"Thanks! 葛{hidden[0]}"
    assert bounded("tap" + "\u200c\u200d\u200e\ufe0f" * 9) == "tap\u200c\u200d"
    assert one_line(f"Water{hidden} \ufff9here\u202e") == "Water here"
