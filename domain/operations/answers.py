"""Reading what a model wrote. It is untrusted: bounded, parsed strictly, never quoted in a complaint."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from domain.errors import InvalidOutputError
from domain.prompts.envelope import folded

MAX_ANSWER_CHARACTERS = 200_000
_FENCED = re.compile(r"```[a-zA-Z]*\s*\n(?P<body>.*?)\n?\s*```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Made:
    """How a result came about: the fields that all results share.

    Attributes:
        result_id: the same for every delivery of the same answer.
        invocation_id: the invocation that made it.
        model: the model that answered.
        prompt_version: the version of its prompt.
        completed_at: when the answer was complete.
    """

    result_id: UUID
    invocation_id: UUID
    model: str
    prompt_version: str
    completed_at: datetime

    def fields(self) -> dict[str, Any]:
        """The shared fields by name, for a result's constructor."""
        return {name: getattr(self, name) for name in self.__slots__}


def json_object(text: str) -> dict[str, Any]:
    """The JSON object in a model's answer, fenced as a code block or not.

    Raises:
        InvalidOutputError: there is none, or it is too long or nested too deeply.
    """
    if len(text) > MAX_ANSWER_CHARACTERS:
        raise InvalidOutputError(f"The answer is longer than {MAX_ANSWER_CHARACTERS} characters.")
    body = text.strip()
    if not body.startswith("{"):
        fenced = _FENCED.search(body)
        body = fenced["body"] if fenced else body
    try:
        found = from_json(body.encode(), allow_inf_nan=False)
    except ValueError:  # not JSON, or half a surrogate pair that cannot be encoded
        found = None
    if not isinstance(found, dict):
        raise InvalidOutputError("The answer is not one JSON object in the shape asked for.")
    return found


def plain_text(value: object, limit: int) -> str:
    """A model's text fit to be shown: one line, no control characters, cut to `limit` characters; "" for a non-text."""
    if not isinstance(value, str):
        return ""
    kept = folded(value[: limit * 4])
    return kept if len(kept) <= limit else kept[: limit - 1].rstrip() + "…"


def confidence(value: object) -> float | None:
    """A number from 0 to 1; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        return None
    return float(value)
