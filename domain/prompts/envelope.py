"""Putting what others wrote into a prompt so that it can neither leave its place nor pass for an instruction."""

import re
from html import escape as escape_html

RECORD_TAG = "feedback_record"
_SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85"
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))

LONGEST_RUN = 32
"""So often one character stands in a row in what a model reads; more says no more, and is paid for."""

_LINE_FEEDS = 3
_UNSEEN = dict.fromkeys(
    (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200B, *range(0x2060, 0x2065), 0xFEFF, *range(0xE0000, 0xE0080))
)
"""What overrides directions, spaces of no width, and tags, in which whole texts can be hidden. Joiners are not in it,
nor the marks of direction: scripts need them."""

_RUN = re.compile(rf"(.)\1{{{LONGEST_RUN},}}", re.DOTALL)
_BLANKS = re.compile(rf"[^\S\n]{{{LONGEST_RUN + 1},}}")
_BLANK_LINES = re.compile(rf"(?:[^\S\n]*\n){{{_LINE_FEEDS + 1},}}")


def escape(text: str) -> str:
    """The text with `&`, `<` and `>` escaped: nothing in it can open or close a tag."""
    return escape_html(text, quote=False)


def one_line(text: str) -> str:
    """The text on one line: runs of white space folded to one space, other control characters dropped, escaped."""
    return escape(folded(text))


def folded(text: str) -> str:
    """The text with runs of white space folded to one space, and without control characters."""
    return " ".join(without_controls(text, keep=_SPACES).split())


def without_controls(text: str, keep: str = "") -> str:
    """The text without control characters, those in `keep` excepted. Joiners, which many scripts need, stay."""
    if text.isprintable():
        return text
    return text.translate({code: gone for code, gone in _CONTROLS.items() if chr(code) not in keep})


def block(tag: str, body: str, attributes: str = "") -> str:
    """A body that is safe already, between its tags, each on a line of its own."""
    return f"<{tag}{attributes}>\n{body}\n</{tag}>"


def bounded(text: str) -> str:
    """The text without what nobody sees, and with runs cut: of one character, of blanks, of empty lines.

    Control characters but tabs and line ends are gone, with direction overrides and spaces of no width. Any other text
    stays as it is; twice is as good as once.
    """
    if not text.isascii() or not text.isprintable():
        text = without_controls(text, keep="\t\n\r").translate(_UNSEEN)
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
