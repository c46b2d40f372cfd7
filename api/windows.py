"""The two moments of a question, read with care: an analyst's time zone is never guessed."""

import re
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query

from api.errors import APIError
from domain.usage.report import Window
from schemas.base import OFFSETS, ends_in_an_offset

# RFC 3339, 5.6, but seconds and the colon of an offset may be left out. In a query string an unescaped `+` means a
# space: behind a time of day only an offset can have stood there.
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(
    rf"(?P<time>{_DATE.pattern}[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?P<offset>[Zz]|[+ -]\d\d:?\d\d)?", re.ASCII
)
_EXAMPLE = "2026-11-01T00:00:00Z or 2026-11-01T00:00:00+02:00"

_FORM = f"RFC 3339 with an offset: {_EXAMPLE}."
From = Annotated[str, Query(alias="from", description=f"The first moment that counts. {_FORM}")]
To = Annotated[str, Query(alias="to", description=f"The first moment that no longer counts. {_FORM}")]


def moment(name: str, given: str) -> datetime:
    """A moment from a query string.

    Raises:
        APIError: 422 `invalid_timestamp` or `naive_timestamp`.
    """
    if _DATE.fullmatch(given):
        said = f"`{name}` is a date alone, and days begin at other moments elsewhere; write it like {_EXAMPLE}."
        raise APIError(422, "invalid_timestamp", said)
    written = _TIME.fullmatch(given)
    offset = "" if written is None else (written["offset"] or "").upper().replace(" ", "+")
    if offset and not ends_in_an_offset(offset):
        raise APIError(422, "invalid_timestamp", f"`{name}` is not a time: {OFFSETS}; write it like {_EXAMPLE}.")
    found = None if written is None else _read(written["time"].upper() + offset)
    if found is None:
        raise APIError(422, "invalid_timestamp", f"`{name}` is not a time; write it like {_EXAMPLE}.")
    if found.utcoffset() is None:
        raise APIError(422, "naive_timestamp", f"`{name}` has no UTC offset; write it like {_EXAMPLE}.")
    try:
        # Years 1 and 9999 have moments that are beyond the calendar in UTC.
        found.astimezone(UTC)
    except OverflowError as error:
        raise APIError(422, "invalid_timestamp", f"`{name}` is beyond the calendar.") from error
    return found


def _read(written: str) -> datetime | None:
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        return None


async def window(start: From, end: To) -> Window:
    """The window [from, to) that is asked about.

    Raises:
        APIError: 422 as `moment`, or `reversed_window` where `from` is not before `to`.
    """
    found = Window(moment("from", start), moment("to", end))
    if found.start >= found.end:
        raise APIError(422, "reversed_window", "`from` must be before `to`: the window is [from, to).")
    return found


WINDOW = ("from", "to")
"""Its parameters."""

AskedWindow = Annotated[Window, Depends(window)]
