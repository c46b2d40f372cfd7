"""Nothing that others wrote can leave its envelope."""

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from domain.prompts.envelope import feedback_record, one_line, options

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
        content.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
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
