"""Which records of a file are evaluated: those that fit every condition, or a random part of them."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


class _Missing:
    """What a line has under a name that is not there; null is something else."""


MISSING = _Missing()


def field_of(line: Mapping[str, Any], name: str) -> Any:
    """What a line of the file has under a name such as `metadata.codes`; MISSING where it has nothing."""
    found: Any = line
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return MISSING
        found = found[part]
    return found


@dataclass(frozen=True, slots=True)
class Condition:
    """`name=value`: the field has this value or, where it is a list, has it among its values."""

    name: str
    value: str

    def holds(self, line: Mapping[str, Any]) -> bool:
        """Whether the line fits. What is no text counts as JSON writes it: `true`, `2020`."""
        found = field_of(line, self.name)
        return any(_as_text(one) == self.value for one in (found if isinstance(found, list) else [found]))


def _as_text(value: Any) -> str | None:
    if value is MISSING:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def random_part(of: Sequence[T], limit: int | None, seed: int) -> list[T]:
    """At most `limit` of them, in their order; the same ones each time for the same seed."""
    if limit is None or limit >= len(of):
        return list(of)
    chosen = random.Random(seed).sample(range(len(of)), limit)  # noqa: S311  # a sample, not a secret
    return [of[at] for at in sorted(chosen)]
