"""Time as people count it: hours, days, weeks and months of a time zone, and the whole UTC days that lie in them.

A stretch is one hour, day, week or month of a zone, by its clocks and its calendar: a day there may have 23 or 25
hours, an hour that comes twice is two, and so is one in which the clocks are set. Weeks begin on Monday (ISO 8601).
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from domain.usage.report import Window

Unit = Literal["hour", "day", "week", "month"]
UNITS: tuple[Unit, ...] = get_args(Unit)

_SECOND, _HOUR, _DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
_LENGTH: dict[Unit, timedelta] = {"day": _DAY, "week": timedelta(days=7), "month": timedelta(days=32)}
"""At least as long as any, and shorter than two."""
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def stretches(window: Window, unit: Unit, zone: ZoneInfo, most: int) -> list[Window] | None:
    """The stretches that a window touches, in order, without gaps; None where there are more than `most`.

    The first and the last are whole, also where the window begins or ends inside them: what counts of them is `cut`.
    """
    found: list[Window] = []
    start = _floor(window.start, unit, zone)
    while start < window.end:
        if len(found) == most:
            return None
        end = _next(start, unit, zone)
        found.append(Window(start, end))
        start = end
    return found


def cut(stretch: Window, window: Window) -> Window:
    """The part of a stretch that lies in the window."""
    return Window(max(stretch.start, window.start), min(stretch.end, window.end))


def by_clock(moment: datetime, zone: ZoneInfo) -> datetime:
    """A moment by a zone's clocks; by those of UTC where it is beyond the zone's calendar (years 1 and 9999)."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)


def _floor(moment: datetime, unit: Unit, zone: ZoneInfo) -> datetime:
    """The beginning of the stretch that a moment lies in, in UTC."""
    moment = moment.astimezone(UTC)
    try:
        if unit == "hour":
            start = moment - _into_hour(moment, zone)
            # Where clocks are set in the middle of an hour, that part of it begins then.
            return start if _offset(start, zone) == _offset(moment, zone) else _turn(start, moment, zone)
        start = _midnight(_first_day(by_clock(moment, zone).date(), unit), zone)
    except OverflowError:
        return _FIRST
    if start > moment:
        return _FIRST
    # Where clocks are set back over midnight, the evening that comes again belongs to the day that had begun.
    behind = _next(start, unit, zone)
    return behind if behind <= moment else start


def _next(start: datetime, unit: Unit, zone: ZoneInfo) -> datetime:
    """The beginning of the stretch behind the one that begins at `start`."""
    try:
        if unit == "hour":
            behind = start + _HOUR - _into_hour(start, zone)
            return behind if _offset(start, zone) == _offset(behind, zone) else _turn(start, behind, zone)
        first = _first_day(by_clock(start, zone).date(), unit)
        return _midnight(_first_day(first + _LENGTH[unit], unit), zone)
    except OverflowError:
        return _LAST


def _first_day(day: date, unit: Unit) -> date:
    """The first day of the month or week that a day lies in; of a day, itself."""
    if unit == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if unit == "week" else day


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day, in UTC.

    Where clocks skip midnight, that is when they skip it; where it comes twice, the first time.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    found, as_set_later = midnight.astimezone(UTC), midnight.replace(fold=1).astimezone(UTC)
    return _turn(as_set_later, found, zone) if as_set_later < found else found


def _into_hour(moment: datetime, zone: ZoneInfo) -> timedelta:
    local = by_clock(moment, zone)
    return timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return by_clock(moment, zone).utcoffset()


def _turn(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The moment, on a whole second, at which a zone's clocks were set, where they were set between two moments."""
    seconds = range(int((after - before).total_seconds()) + 1)
    then = _offset(after, zone)
    found = bisect_left(seconds, True, key=lambda second: _offset(before + second * _SECOND, zone) == then)
    return before + found * _SECOND


@dataclass(frozen=True, slots=True)
class Pieces:
    """A window taken to pieces: whole months, weeks and days of UTC, and what is left at its edges; each half-open.

    Attributes:
        months: from the first day of a month to the first day of another one.
        weeks: before and behind those months, from a Monday to another one.
        days: what there is besides.
        edges: parts of days.
    """

    months: tuple[tuple[date, date], ...] = ()
    weeks: tuple[tuple[date, date], ...] = ()
    days: tuple[tuple[date, date], ...] = ()
    edges: tuple[Window, ...] = ()


def pieces(window: Window) -> Pieces:
    """Take a window to pieces that together are all of it, and do not overlap."""
    start, end = window.start.astimezone(UTC), window.end.astimezone(UTC)
    first, last = _day_from(start), end.date()
    if first is None or first >= last:
        # Not one whole day of UTC.
        return Pieces(edges=(Window(start, end),) if start < end else ())
    edges = (Window(start, _in_utc(first)), Window(_in_utc(last), end))
    first_month, last_month = _month_from(first), last.replace(day=1)
    months: tuple[tuple[date, date], ...] = ()
    days: tuple[tuple[date, date], ...] = ((first, last),)
    if first_month is not None and first_month < last_month:
        months, days = ((first_month, last_month),), ((first, first_month), (last_month, last))
    weeks, days = _weeks_of(days)
    return Pieces(
        months=months,
        weeks=weeks,
        days=tuple(span for span in days if span[0] < span[1]),
        edges=tuple(edge for edge in edges if edge.start < edge.end),
    )


def _weeks_of(spans: tuple[tuple[date, date], ...]) -> tuple[tuple[tuple[date, date], ...], ...]:
    """The whole weeks of some spans of days, and the days that are left; of these some may be none."""
    weeks, days = [], []
    for first, last in spans:
        monday, last_monday = -first.weekday() % 7, (last - first).days - last.weekday()
        if monday >= last_monday:
            days.append((first, last))
            continue
        weeks.append((first + monday * _DAY, first + last_monday * _DAY))
        days += [(first, weeks[-1][0]), (weeks[-1][1], last)]
    return tuple(weeks), tuple(days)


def _in_utc(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _day_from(moment: datetime) -> date | None:
    """The first day that begins at or after a moment; None at the calendar's end."""
    day = moment.date()
    if moment == _in_utc(day):
        return day
    return None if day == date.max else day + _DAY


def _month_from(day: date) -> date | None:
    """The first month's first day that is this day or a later one; None at the calendar's end."""
    if day.day == 1:
        return day
    try:
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    except OverflowError:
        return None
