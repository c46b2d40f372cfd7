"""Putting what others wrote into a prompt so that it can neither leave its place nor pass for an instruction."""

from html import escape as escape_html

RECORD_TAG = "feedback_record"
_SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85"
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))


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


def feedback_record(content: str, number: int | None = None) -> str:
    """A community member's text in its envelope; `number` tells several apart, from 1."""
    return block(RECORD_TAG, escape(content), "" if number is None else f' number="{number}"')


def options(values: dict[str, object]) -> str:
    """The options of one input as the end of a system message, null ones left out; empty where none is left."""
    lines = [f"{name}: {one_line(str(value))}" for name, value in values.items() if value is not None]
    return "\n" + block("options", "\n".join(lines)) if lines else ""
