"""What a replayed message says of itself, in headers; and what of it an input is then asked again.

`feedback dead-letters replay` sends the original bytes once more to their topic. The headers leave the identity of the
input as it was, so that its results keep their ids.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

OF = "feedback-replay-of"
"""The dead_letter_id of the dead letter that is replayed."""

AT = "feedback-replay-at"
"""`topic:partition:offset` of the input that failed: one that fails again, after its replay, stands elsewhere."""

OPERATIONS = "feedback-operations"
"""The operations to do again, with commas between; all that the input asks for where there is none."""


class _Named(Protocol):
    @property
    def value(self) -> str: ...


OperationT = TypeVar("OperationT", bound=_Named)


def asked_again(headers: Iterable[tuple[str, bytes | None]], asked: Sequence[OperationT]) -> tuple[OperationT, ...]:
    """Of the operations that an input asks for, those that its header limits it to.

    A header without any of them is ignored: rather done once more than never.
    """
    found = {name: value for name, value in headers if value is not None}
    limits = {name.strip() for name in found.get(OPERATIONS, b"").decode("utf-8", "replace").split(",")}
    chosen = tuple(operation for operation in asked if operation.value in limits)
    return chosen or tuple(asked)
