"""Where the next page of an answer begins, as a word that belongs to one question.

A cursor carries the window and the moment of the first page, so that all pages are of that moment, and the last group
that was shown, by a hash of its place. It holds no secret and gives no right: whose usage it is, the key says. Anybody
can write one, so what it says is held to the limits of what may be asked.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from pydantic import AwareDatetime, PositiveInt, TypeAdapter

from api.errors import APIError
from api.usage_parameters import EARLIEST, LATEST, check_window
from domain.usage.answers import Group
from domain.usage.report import Window

_LONGEST = 512
_SHAPE = TypeAdapter(tuple[AwareDatetime, AwareDatetime, AwareDatetime, PositiveInt, str, str])


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a cursor says.

    Attributes:
        window: of the first page, as it may be the last 30 days of then.
        as_of: the moment of the first page.
        number: how many groups came before the page.
        place: of the last group that was shown, by `place_of`; it counts where groups came or went meanwhile.
    """

    window: Window
    as_of: datetime
    number: int
    place: str


def place_of(group: Group) -> str:
    """What names a group of an answer: its time and its values."""
    start = group.start.timestamp() if group.start is not None else None
    return _hash([start, *group.keys.values()])


def written(cursor: Cursor, question: Sequence[Any]) -> str:
    """A cursor as it travels.

    Args:
        cursor: what it says.
        question: all that makes the question what it is, in JSON's types.
    """
    moments = (cursor.window.start, cursor.window.end, cursor.as_of)
    says = [*(moment.isoformat() for moment in moments), cursor.number, cursor.place]
    plain = json.dumps([*says, _hash([*says, *question])])
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def read(given: str, question: Sequence[Any]) -> Cursor:
    """What a cursor says that we wrote for this question.

    Raises:
        APIError: 422 `invalid_cursor`: it is none of ours, or of another question.
    """
    if len(given) > _LONGEST:
        raise refusal()
    try:
        plain = base64.b64decode(given + "=" * (-len(given) % 4), b"-_", validate=True)
        start, end, as_of, number, place, seal = _SHAPE.validate_json(plain, strict=True)
        *says, _ = json.loads(plain)
        found = Cursor(Window(start, end), as_of, number, place)
        check_window(found.window)
    except (binascii.Error, ValueError, APIError) as error:
        raise refusal() from error
    if seal != _hash([*says, *question]) or not EARLIEST <= as_of <= LATEST:
        raise refusal()
    return found


def refusal() -> APIError:
    """What is said of a cursor that leads nowhere."""
    said = "`cursor` is not of this question: send `next_cursor` with the parameters of the answer that it came in."
    return APIError(422, "invalid_cursor", said)


def group_is_gone() -> APIError:
    """What is said of a cursor whose group is not in the answer any more."""
    said = "The group that `cursor` names is not in the answer any more: begin again at the first page."
    return APIError(422, "invalid_cursor", said)


def _hash(what: Sequence[Any]) -> str:
    return blake2b(json.dumps(what).encode(), digest_size=12).hexdigest()
