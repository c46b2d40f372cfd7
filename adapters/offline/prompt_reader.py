"""Reading the product's own prompts: what a language model understands from the text, taken apart by its tags.

Only the system message is trusted: framework, instruction and options are looked for there alone, and the last of
each counts. In the user message everything between the tags is data, with `&lt;`, `&gt;` and `&amp;` turned back.
"""

import re
from dataclasses import dataclass, field
from html import unescape

from domain.errors import ProviderRefusedError

DEFAULT_MAX_CODES = 3

_TASK = re.compile(r"\ATask: *(\w+)")
_CODE_LINE = re.compile(r"(?P<id>\d+(?:\.\d+)*) (?P<rest>\S.*)")
_EXAMPLES = " (e.g. "


class UnreadablePromptError(ProviderRefusedError):
    """The prompt is not one of the product's: `offline/semantic` reads no others."""

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"offline/semantic cannot read this prompt: {missing}. It is no language model and only reads the prompts "
            "of feedback-streams.",
            http_status=400,
        )


@dataclass(frozen=True, slots=True)
class FrameworkCode:
    """One line of the framework.

    Attributes:
        position: its dotted number, e.g. `1.2.1`.
        name, description, examples: as the organisation wrote them; description "" where there is none.
    """

    position: str
    name: str
    description: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CodingTask:
    """A record to code. `framework` is the block as it stands in the prompt, for `parse_framework`."""

    framework: str = field(repr=False)
    record: str = field(repr=False)
    max_codes: int = DEFAULT_MAX_CODES


@dataclass(frozen=True, slots=True)
class SummaryTask:
    """A record to summarise."""

    record: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AnalysisTask:
    """A question over records, numbered from 1 in their order."""

    instruction: str = field(repr=False)
    records: tuple[str, ...] = field(repr=False)


Task = CodingTask | SummaryTask | AnalysisTask


def read(system: str, user: str) -> Task:
    """Understand a prompt.

    Raises:
        UnreadablePromptError: no `Task:` line that is known, no framework, no instruction, or no record.
    """
    match = _TASK.match(system)
    task = match[1] if match else None
    if task == "assign_codes":
        return CodingTask(_last_block(system, "framework"), _records(user)[0], _max_codes(system))
    if task == "summarize":
        return SummaryTask(_records(user)[0])
    if task == "analyze":
        return AnalysisTask(unescape(_last_block(system, "instruction")), _records(user))
    raise UnreadablePromptError("its first line names no task that is known")


def parse_framework(block: str) -> tuple[FrameworkCode, ...]:
    """The codes of a framework block, parents before children.

    Raises:
        UnreadablePromptError: a line is not a code, or no line is.
    """
    codes = tuple(_code(line) for line in block.split("\n") if line.strip())
    if not codes:
        raise UnreadablePromptError("its framework is empty")
    return codes


def _code(line: str) -> FrameworkCode:
    match = _CODE_LINE.fullmatch(line.strip())
    if match is None:
        raise UnreadablePromptError("a line of its framework is not `position name`")
    rest, examples = match["rest"], ""
    if rest.endswith(")") and _EXAMPLES in rest:
        rest, _, examples = rest[:-1].partition(_EXAMPLES)
    name, _, description = rest.partition(": ")
    return FrameworkCode(
        position=match["id"],
        name=unescape(name).strip(),
        description=unescape(description).strip(),
        examples=tuple(unescape(example).strip() for example in examples.split(" | ") if example.strip()),
    )


def _last_block(system: str, tag: str) -> str:
    """What stands between the tag's last opening line and the closing line after it."""
    _, opened, rest = f"\n{system}\n".rpartition(f"\n<{tag}>\n")
    body, closed, _ = f"\n{rest}".partition(f"\n</{tag}>\n")
    if not opened or not closed:
        raise UnreadablePromptError(f"its system message holds no <{tag}>")
    return body.strip("\n")


def _max_codes(system: str) -> int:
    try:
        options = _last_block(system, "options")
    except UnreadablePromptError:
        return DEFAULT_MAX_CODES
    found = re.search(r"^max_codes: *(\d{1,4})$", options, re.MULTILINE)
    return max(1, int(found[1])) if found else DEFAULT_MAX_CODES


_RECORD = re.compile(r"<feedback_record(?: number=\"\d+\")?>\n?(.*?)\n?</feedback_record>", re.DOTALL)


def _records(user: str) -> tuple[str, ...]:
    records = tuple(unescape(body) for body in _RECORD.findall(user))
    if not any(record.strip() for record in records):
        raise UnreadablePromptError("its user message holds no <feedback_record> with text")
    return records
