"""The instructions of each operation, each version in a file of its own that never changes again.

`versions.lock.json` holds the SHA-256 of each file, and of a prompt rendered with it from a fixed input. A test
compares them, so that no prompt changes under the version that results and LLM calls carry: a change is a new file,
`.v2.txt`.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from schemas.operations import Operation

CURRENT: dict[Operation, int] = {
    Operation.ASSIGN_CODES: 2,
    Operation.SUMMARIZE: 2,
    Operation.ANALYZE: 2,
    Operation.SUMMARIZE_AGGREGATE: 1,
    Operation.JUDGE: 1,
    Operation.DETECT_SENSITIVE: 1,
}
"""The version of each operation's instructions in use."""

STAGES: dict[str, int] = {
    "analyze.map": 1,
    "analyze.reduce": 1,
    "summarize_aggregate.merge": 1,
    "assign_codes.batch": 1,
}
"""The same for the steps of operations that ask about more than one prompt takes."""

ADDITIONS: dict[str, int] = {"assign_codes.examples": 1, "assign_codes.narrowed": 1}
"""The same for what is said in addition, where a setting asks for it."""


@dataclass(frozen=True, slots=True)
class Instructions:
    """One version of an operation's instructions.

    Attributes:
        version: as results and LLM calls carry it, e.g. `assign_codes.v1`.
        text: the stable beginning of the system message; its first line is `Task: <operation>`.
    """

    version: str
    text: str


@cache
def instructions_for(operation: Operation) -> Instructions:
    """The operation's current instructions, read from the package once.

    Raises:
        KeyError: the operation is not carried out by this release.
    """
    return _read(f"{operation.value}.v{CURRENT[operation]}")


@cache
def instructions_for_stage(stage: str) -> Instructions:
    """The current instructions of one step of an operation, a key of `STAGES`; their first line is `Task: a_stage`.

    Raises:
        KeyError: there is no such step.
    """
    return _read(f"{stage}.v{STAGES[stage]}")


@cache
def addition(name: str) -> Instructions:
    """The current text of something said in addition, a key of `ADDITIONS`; it has no first line of its own.

    Raises:
        KeyError: there is no such text.
    """
    return _read(f"{name}.v{ADDITIONS[name]}")


def _read(version: str) -> Instructions:
    text = files(__package__).joinpath(f"{version}.txt").read_text(encoding="utf-8").strip()
    return Instructions(version, text)
