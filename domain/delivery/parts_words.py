"""What the dead letters of parts say of their request."""

from domain.delivery.parts_group import Group
from domain.errors import IncompleteRequestError, TooManyPartsError
from schemas.base import shown


def incomplete(group: Group, seconds: float) -> IncompleteRequestError:
    """Parts are missing, after a wait of so many seconds."""
    missing = group.missing()
    parts = f"part {_ranges(missing)}" if len(missing) == 1 else f"parts {_ranges(missing)}"
    return IncompleteRequestError(
        f"Of the {group.of} parts of the request {shown(group.head.request_id)}, {parts} did not come while the others "
        f"waited, for {seconds:g} seconds and more: send what is missing, and replay the others or send them again."
    )


def too_many(max_bytes: int) -> TooManyPartsError:
    """No more bytes may wait."""
    return TooManyPartsError(
        f"With this part the requests that wait here would be more than {max_bytes} bytes: send fewer or smaller "
        "requests at a time, or let workers hold more."
    )


def _ranges(numbers: list[int]) -> str:
    """Ascending numbers in words: `1, 3-5`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)
