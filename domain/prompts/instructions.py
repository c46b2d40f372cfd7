"""The instructions of each operation, each version in a file of its own that never changes again.

`versions.lock.json` holds the SHA-256 of each file, and of a prompt rendered with it from a fixed input. A test
compares them, so that no prompt changes under the version that results and LLM calls carry: a change is a new file,
`.v2.txt`.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from schemas.operations import Operation

CURRENT: dict[Operation, int] = {Operation.ASSIGN_CODES: 1, Operation.SUMMARIZE: 1, Operation.ANALYZE: 1}
"""The version of each operation's instructions in use."""


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
    version = f"{operation.value}.v{CURRENT[operation]}"
    text = files(__package__).joinpath(f"{version}.txt").read_text(encoding="utf-8").strip()
    return Instructions(version, text)
