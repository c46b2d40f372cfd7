"""Putting what others wrote into a prompt so that it can neither leave its place nor pass for an instruction."""

import re
from html import escape as escape_html

from domain.unseen import CONTROLS, DEFAULT_IGNORABLE

RECORD_TAG = "feedback_record"
_SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85"

LONGEST_RUN = 32
"""So often one character stands in a row in what a model reads; more says no more, and is paid for."""

_LINE_FEEDS = 3
# What scripts and emoji need, at most two in a row: joiners, marks of direction, fillers, soft hyphens, selectors of
# variants. These are 256, and so can spell any text behind one letter; the last 240 are for Chinese characters alone.
_JOINING = (0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x200C, 0x2010), 0x3164, 0xFFA0)
_SELECTORS = (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10))
_IDEOGRAPHIC_SELECTORS = range(0xE0100, 0xE01F0)
_NEEDED = frozenset(map(chr, (*_JOINING, *_SELECTORS, *_IDEOGRAPHIC_SELECTORS)))
_HIDDEN = dict.fromkeys((DEFAULT_IGNORABLE - set(map(ord, _NEEDED))) | {0xFFF9, 0xFFFA, 0xFFFB})
"""What overrides directions, spaces of no width, tags and annotations: no script needs them, and whole texts can be
hidden in them."""

_LOOSE_SELECTORS = re.compile("(?<![\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])[\U000e0100-\U000e01ef]+")
_NEEDED_RUN = re.compile("[{0}][{0}][{0}]+".format("".join(sorted(_NEEDED))))
_RUN = re.compile(rf"(.)\1{{{LONGEST_RUN},}}", re.DOTALL)
_BLANKS = re.compile(rf"[^\S\n]{{{LONGEST_RUN + 1},}}")
_BLANK_LINES = re.compile(rf"(?:[^\S\n]*\n){{{_LINE_FEEDS + 1},}}")


def escape(text: str) -> str:
    """The text with `&`, `<` and `>` escaped: nothing in it can open or close a tag."""
    return escape_html(text, quote=False)


def one_line(text: str) -> str:
    """The text on one line: runs of white space folded to one space, escaped, without what nobody sees."""
    return escape(folded(text))


def folded(text: str) -> str:
    """The text with runs of white space folded to one space, and without other control characters and hidden ones."""
    return " ".join(without_hidden(without_controls(text, keep=_SPACES)).split())


def without_controls(text: str, keep: str = "") -> str:
    """The text without control characters, those in `keep` excepted. Joiners, which many scripts need, stay."""
    if text.isprintable():
        return text
    return text.translate({code: None for code in CONTROLS if chr(code) not in keep})


def without_hidden(text: str) -> str:
    """The text without characters in which another text can be hidden; of those that scripts need two in a row stay."""
    if text.isascii():
        return text
    text = text.translate(_HIDDEN)
    if _NEEDED.isdisjoint(text):  # a tenth of the time of what follows
        return text
    return _NEEDED_RUN.sub(lambda run: run[0][:2], _LOOSE_SELECTORS.sub("", text))


def block(tag: str, body: str, attributes: str = "") -> str:
    """A body that is safe already, between its tags, each on a line of its own."""
    return f"<{tag}{attributes}>\n{body}\n</{tag}>"


def bounded(text: str) -> str:
    """The text without what nobody sees, and with runs cut: of one character, of blanks, of empty lines.

    Control characters but tabs and line ends are gone, and whatever can hide a text, see `without_hidden`. Any other
    text stays as it is; twice is as good as once.

    This is what a clean text is: texts are made so before anybody looks for what is personal in them, as a control
    character that went afterwards would put the two halves of a number together again.
    """
    if not text.isascii() or not text.isprintable():
        text = without_hidden(without_controls(text, keep="\t\n\r"))
    text = _RUN.sub(lambda run: run[1] * LONGEST_RUN, text)
    text = _BLANKS.sub(lambda run: run[0][:LONGEST_RUN], text)
    return _BLANK_LINES.sub("\n" * _LINE_FEEDS, text)


def feedback_record(content: str, number: int | None = None) -> str:
    """A community member's text in its envelope, see `bounded`; `number` tells several apart, from 1."""
    return block(RECORD_TAG, escape(bounded(content)), "" if number is None else f' number="{number}"')


def options(values: dict[str, object]) -> str:
    """The options of one input as the end of a system message, null ones left out; empty where none is left."""
    lines = [f"{name}: {one_line(str(value))}" for name, value in values.items() if value is not None]
    return "\n" + block("options", "\n".join(lines)) if lines else ""
