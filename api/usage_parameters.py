"""The parameters of `/v1/usage/query`, one by one: from what a caller wrote to what is meant.

Whatever cannot be meant is 422, with what can. Nothing is guessed.
"""

import math
import re
import zoneinfo
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from api.errors import APIError
from api.query_strings import listed
from api.windows import moment
from domain.usage.calendar import UNITS, Unit
from domain.usage.questions import DIMENSIONS, MAX_FILTER_VALUES, MAX_PERCENTILES, PERCENTILES, Dimension
from domain.usage.report import Window

View = Literal["llm_calls", "invocations"]
VIEWS: tuple[View, ...] = get_args(View)

MAX_YEARS = 20
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
DEFAULT_LIMIT, MAX_LIMIT = 1000, 10_000
MAX_VALUE_CHARACTERS = 1024

# Three decimals at most: an answer names its percentiles by them.
_PERCENT = re.compile(r"\d{1,3}(?:\.\d{1,3})?", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


def given_window(start: str | None, end: str | None) -> Window | None:
    """The window [from, to); None where neither is given.

    Raises:
        APIError: 422 `missing_parameter`, `invalid_timestamp`, `naive_timestamp`, `reversed_window`, `window_too_long`,
            `window_out_of_range`.
    """
    if start is None and end is None:
        return None
    if start is None or end is None:
        missing = "from" if start is None else "to"
        said = f"`{missing}` is missing: give `from` and `to`, or neither for the last 30 days."
        raise APIError(422, "missing_parameter", said)
    window = Window(moment("from", start), moment("to", end))
    check_window(window)
    return window


def check_window(window: Window) -> None:
    """See that a window can be asked about.

    Raises:
        APIError: 422 `reversed_window`, `window_too_long`, `window_out_of_range`.
    """
    if window.start >= window.end:
        raise APIError(422, "reversed_window", "`from` must be before `to`: the window is [from, to).")
    if window.end - window.start > timedelta(days=366 * MAX_YEARS):
        raise APIError(422, "window_too_long", f"A window may be {MAX_YEARS} years long at most.")
    if window.start < EARLIEST or window.end > LATEST:
        said = f"The window must lie between the years {EARLIEST.year} and {LATEST.year}."
        raise APIError(422, "window_out_of_range", said)


def grouping(given: str | None) -> tuple[tuple[Dimension, ...], Unit | None]:
    """By which dimensions, in their order, and by which unit of time.

    Raises:
        APIError: 422 `unknown_dimension`, `repeated_dimension`, `several_units`.
    """
    names = _split(given)
    dimensions: dict[str, Dimension] = {name: name for name in DIMENSIONS}
    units: dict[str, Unit] = {name: name for name in UNITS}
    for name in names:
        if name not in dimensions and name not in units:
            allowed = f"{listed(DIMENSIONS)}, and one of {listed(UNITS)}"
            raise APIError(422, "unknown_dimension", f"`group_by` takes a comma list of {allowed}.")
    if len(set(names)) < len(names):
        raise APIError(422, "repeated_dimension", "`group_by` names something twice; name each once.")
    asked = [units[name] for name in names if name in units]
    if len(asked) > 1:
        raise APIError(422, "several_units", f"`group_by` takes one of {listed(UNITS)} at most.")
    return tuple(dimensions[name] for name in names if name in dimensions), asked[0] if asked else None


def zone(given: str | None) -> ZoneInfo:
    """The time zone.

    Raises:
        APIError: 422 `unknown_zone`.
    """
    name = "UTC" if given is None else given
    if name not in _zones():
        near = get_close_matches(name[:100], _zones(), n=3, cutoff=0.75)
        hint = f" Near it: {listed(near)}." if near else ""
        said = f"`zone` takes the name of a time zone of the IANA database: `Europe/Kyiv`, `UTC`.{hint}"
        raise APIError(422, "unknown_zone", said)
    return ZoneInfo(name)


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def percentiles(given: str | None) -> tuple[float, ...]:
    """The percentiles, each once, in their order; none where the list is empty.

    Raises:
        APIError: 422 `invalid_percentiles`.
    """
    if given is None:
        return PERCENTILES
    written = _split(given)
    found = [float(one) if _PERCENT.fullmatch(one) else math.nan for one in written]
    if len(found) > MAX_PERCENTILES or not all(0 <= one <= 100 for one in found):
        said = (
            f"`percentiles` takes {MAX_PERCENTILES} numbers from 0 to 100 at most, with 3 decimals at most: 5,50,99.9."
        )
        raise APIError(422, "invalid_percentiles", said)
    return tuple(dict.fromkeys(found))


def views(given: str | None) -> tuple[View, ...]:
    """Which views, in the order of an answer.

    Raises:
        APIError: 422 `unknown_view`.
    """
    names = list(VIEWS) if given is None else _split(given)
    if not names or not set(names) <= set(VIEWS):
        raise APIError(422, "unknown_view", f"`views` takes a comma list of {listed(VIEWS)}.")
    return tuple(view for view in VIEWS if view in names)


def filter_values(name: str, given: Sequence[str]) -> tuple[str | None, ...]:
    """The values that count, each once; None: those that have none.

    Raises:
        APIError: 422 `invalid_filter`.
    """
    values = tuple(dict.fromkeys(value or None for value in given))
    if len(values) > MAX_FILTER_VALUES:
        raise APIError(422, "invalid_filter", f"`{name}` takes {MAX_FILTER_VALUES} values at most.")
    if any(value and ("\x00" in value or len(value) > MAX_VALUE_CHARACTERS) for value in values):
        said = f"A value of `{name}` has {MAX_VALUE_CHARACTERS} characters at most, and no NUL."
        raise APIError(422, "invalid_filter", said)
    return values


def limit(given: str | None) -> int:
    """How many groups a page has.

    Raises:
        APIError: 422 `invalid_limit`.
    """
    if given is None:
        return DEFAULT_LIMIT
    found = int(given) if _NUMBER.fullmatch(given) else 0
    if not 1 <= found <= MAX_LIMIT:
        raise APIError(422, "invalid_limit", f"`limit` takes a whole number from 1 to {MAX_LIMIT}.")
    return found


def one_of(name: str, given: str | None, choices: Sequence[str]) -> str | None:
    """A word of a few.

    Raises:
        APIError: 422 `unknown_choice`.
    """
    if given is not None and given not in choices:
        raise APIError(422, "unknown_choice", f"`{name}` takes {' or '.join(f'`{one}`' for one in choices)}.")
    return given


def _split(given: str | None) -> list[str]:
    return [part.strip() for part in given.split(",")] if given and given.strip() else []
