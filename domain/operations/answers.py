"""Reading what a model wrote. It is untrusted: bounded, parsed strictly, never quoted in a complaint."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from domain.errors import InvalidOutputError
from domain.prompts.envelope import without_controls, without_hidden
from schemas.privacy import Privacy
from schemas.sources import Source

MAX_ANSWER_CHARACTERS = 200_000
_FENCED = re.compile(r"```[a-zA-Z]*\s*\n(?P<body>.*?)\n?\s*```", re.DOTALL)


_ESCAPE_SEQUENCE = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"  # with a text of its own: a title
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, the cursor
    r"|\x1b[ -/]*[0-~]?"
)
"""ECMA-48's control sequences, the last two also where they break off."""

_SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85"
_LINE_ENDS = re.compile("\r\n?|[\v\f\x1c-\x1f\x85]")
"""Control characters that end a line or part words, but for tab and line feed."""

_JOINERS = "\u200c\u200d"
_LOOSE_JOINERS = re.compile(rf"(?<!\S)[{_JOINERS}]+|[{_JOINERS}]+(?!\S)")
_DRAWN_FORMATS = frozenset(map(chr, (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD)))
"""Signs for numbers and verses that Unicode counts as formats (Prepended_Concatenation_Mark), but that are seen."""

_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_UNSEEN = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf", "Mn"))


@dataclass(frozen=True, slots=True)
class Made:
    """How a result came about: the fields that all results share.

    Attributes:
        result_id: the same for every delivery of the same answer.
        invocation_id: the invocation that made it.
        model: the model that answered.
        prompt_version: the version of its prompt.
        completed_at: when the answer was complete.
        inputs: where the input stands on Kafka.
        privacy: what was done about personal data.
        restore: puts back into one text of the result what was hidden from the model, see `Anonymised.restoring`.
    """

    result_id: UUID
    invocation_id: UUID
    model: str
    prompt_version: str
    completed_at: datetime
    inputs: tuple[Source, ...] = ()
    privacy: Privacy | None = None
    restore: Callable[[str], str] = str

    def fields(self) -> dict[str, Any]:
        """The shared fields by name, for a result's constructor."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "restore"}


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


def shown_text(value: object) -> str:
    """A model's text without what is not seen and yet acts on its readers; "" where nothing is seen, or for a non-text.

    Gone are escape sequences of terminals, control characters but tab and line feed (other line ends become one),
    format characters (direction overrides, spaces of no width, byte order marks), and runs of what else is unseen, as a
    text can be hidden in them. The joiners that many scripts and emoji need stay inside of words.
    """
    if not isinstance(value, str):
        return ""
    text = _LINE_ENDS.sub("\n", without_controls(_ESCAPE_SEQUENCE.sub("", value), keep=_SPACES))
    if not text.isprintable():
        text = "".join(filter(_stays, text))
    text = _LOOSE_JOINERS.sub("", without_hidden(text)).strip()
    return text if any(map(_is_seen, text)) else ""


def _stays(character: str) -> bool:
    return character in _JOINERS or character in _DRAWN_FORMATS or unicodedata.category(character) != "Cf"


def _is_seen(character: str) -> bool:
    if character in _DRAWN_FORMATS:
        return True
    return character not in _BLANK_LETTERS and unicodedata.category(character) not in _UNSEEN


def plain_text(value: object, limit: int) -> str:
    """A model's text as `shown_text`, on one line, cut to `limit` characters."""
    kept = " ".join(shown_text(value).split())
    return kept if len(kept) <= limit else kept[: limit - 1].rstrip() + "…"


def confidence(value: object) -> float | None:
    """A number from 0 to 1; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        return None
    return float(value) + 0.0  # -0.0 becomes 0.0
