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
class BatchTask:
    """Records to code, each by itself.

    Attributes:
        framework: see `CodingTask`.
        records: number, check and text of each.
    """

    framework: str = field(repr=False)
    records: tuple[tuple[int, str, str], ...] = field(repr=False)
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


@dataclass(frozen=True, slots=True)
class ScreeningTask:
    """A record to screen for sensitive content of these types."""

    record: str = field(repr=False)
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JudgingTask:
    """A result to judge beside its records; `kind` as `domain.operations.retelling` names it."""

    kind: str
    result: str = field(repr=False)
    records: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChunkTask(AnalysisTask):
    """The same over a part of the records: whoever reads the answer does not see them."""


@dataclass(frozen=True, slots=True)
class ReduceTask:
    """A question over what was found in chunks.

    Attributes:
        findings: each with the number of records that it rests on.
    """

    instruction: str = field(repr=False)
    findings: tuple[tuple[int, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ThemesTask:
    """Records whose themes are asked for, numbered from 1 in their order."""

    records: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class MergeTask:
    """Themes of which the same ones are to be put together, numbered from 1: how many records each has, its text."""

    themes: tuple[tuple[int, str], ...] = field(repr=False)


ManyTask = ChunkTask | ReduceTask | ThemesTask | MergeTask
Task = CodingTask | BatchTask | SummaryTask | AnalysisTask | JudgingTask | ManyTask | ScreeningTask


def read(system: str, user: str) -> Task:
    """Understand a prompt.

    Raises:
        UnreadablePromptError: no `Task:` line that is known, no framework, no instruction, or no record.
    """
    match = _TASK.match(system)
    task = match[1] if match else None
    if task in ("assign_codes", "assign_codes_batch"):
        return _coding(system, user, batch=task != "assign_codes")
    if task == "summarize":
        return SummaryTask(_records(user)[0])
    if task == "analyze":
        return AnalysisTask(unescape(_last_block(system, "instruction")), _records(user))
    if task == "detect_sensitive":
        return ScreeningTask(_records(user)[0], _types(system))
    if task == "judge":
        return JudgingTask(*_result(user), _records(user))
    if (many := _over_many(task, system, user)) is not None:
        return many
    raise UnreadablePromptError("its first line names no task that is known")


def _coding(system: str, user: str, *, batch: bool) -> CodingTask | BatchTask:
    framework, max_codes = _last_block(system, "framework"), _max_codes(system)
    if batch:
        return BatchTask(framework, _checked(user), max_codes)
    return CodingTask(framework, _records(user)[0], max_codes)


def _over_many(task: str | None, system: str, user: str) -> ManyTask | None:
    if task == "analyze_map":
        return ChunkTask(unescape(_last_block(system, "instruction")), _records(user))
    if task == "analyze_reduce":
        return ReduceTask(unescape(_last_block(system, "instruction")), _weighed("findings", user))
    if task == "summarize_aggregate":
        return ThemesTask(_records(user))
    if task == "summarize_aggregate_merge":
        return MergeTask(_weighed("theme", user))
    return None


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


def _types(system: str) -> tuple[str, ...]:
    lines = _last_block(system, "types").split("\n")
    return tuple(line.partition(":")[0].strip() for line in lines if line.strip())


def _max_codes(system: str) -> int:
    try:
        options = _last_block(system, "options")
    except UnreadablePromptError:
        return DEFAULT_MAX_CODES
    found = re.search(r"^max_codes: *(\d{1,4})$", options, re.MULTILINE)
    return max(1, int(found[1])) if found else DEFAULT_MAX_CODES


_RECORD = re.compile(r"<feedback_record(?: number=\"\d+\")?>\n?(.*?)\n?</feedback_record>", re.DOTALL)
_CHECKED = re.compile(r"<feedback_record number=\"(\d{1,9})\" check=\"(\w+)\">\n?(.*?)\n?</feedback_record>", re.DOTALL)
_RESULT = re.compile(r"<result kind=\"(\w+)\">\n?(.*?)\n?</result>", re.DOTALL)


def _result(user: str) -> tuple[str, str]:
    """Its kind, and what it says."""
    found = _RESULT.search(user)
    if found is None:
        raise UnreadablePromptError("its user message holds no <result>")
    return found[1], unescape(found[2])


def _records(user: str) -> tuple[str, ...]:
    records = tuple(unescape(body) for body in _RECORD.findall(user))
    if not any(record.strip() for record in records):
        raise UnreadablePromptError("its user message holds no <feedback_record> with text")
    return records


def _checked(user: str) -> tuple[tuple[int, str, str], ...]:
    """The records of a batch, each with its number and check."""
    found = tuple((int(number), check, unescape(body)) for number, check, body in _CHECKED.findall(user))
    if not found:
        raise UnreadablePromptError("its user message holds no <feedback_record> with a number and a check")
    return found


def _weighed(tag: str, user: str) -> tuple[tuple[int, str], ...]:
    """Texts in their envelopes, each with the number of records behind it."""
    envelope = rf'<{tag} number="\d+" records="(\d{{1,9}})"[^>]*>\n?(.*?)\n?</{tag}>'
    found = tuple((int(count), unescape(body)) for count, body in re.findall(envelope, user, re.DOTALL))
    if not found:
        raise UnreadablePromptError(f"its user message holds no <{tag}>")
    return found
