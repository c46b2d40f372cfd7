"""The two moments of a question, read with care: an analyst's time zone is never guessed."""

import re
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query

from api.errors import APIError
from domain.usage import Window

# In a query string an unescaped `+` means a space. Behind a time of day only an offset can have stood there.
_TIME_AND_OFFSET = re.compile(r"^(?P<time>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?) (?P<offset>\d\d:?\d\d)$")
_EXAMPLE = "2026-11-01T00:00:00Z or 2026-11-01T00:00:00+02:00"

_FORM = f"RFC 3339 with an offset: {_EXAMPLE}."
From = Annotated[str, Query(alias="from", description=f"The first moment that counts. {_FORM}")]
To = Annotated[str, Query(alias="to", description=f"The first moment that no longer counts. {_FORM}")]


def moment(name: str, given: str) -> datetime:
    """A moment from a query string.

    Raises:
        APIError: 422 `invalid_timestamp` or `naive_timestamp`.
    """
    text = _TIME_AND_OFFSET.sub(r"\g<time>+\g<offset>", given)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
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


def window(start: From, end: To) -> Window:
    """The window [from, to) that is asked about.

    Raises:
        APIError: 422 as `moment`, or `reversed_window` where `from` is not before `to`.
    """
    found = Window(moment("from", start), moment("to", end))
    if found.start >= found.end:
        raise APIError(422, "reversed_window", "`from` must be before `to`: the window is [from, to).")
    return found


AskedWindow = Annotated[Window, Depends(window)]
