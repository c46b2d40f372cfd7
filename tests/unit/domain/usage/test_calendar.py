"""Hours, days, weeks and months of any zone leave no gap; a window taken to pieces is all of it, once."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.usage.calendar import UNITS, by_clock, cut, pieces, stretches
from domain.usage.report import Window

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ODD_CLOCKS = (
    "Australia/Lord_Howe",  # set by half an hour
    "Asia/Kathmandu",  # 5:45
    "America/Sao_Paulo",  # skipped midnight
    "America/St_Johns",  # set back from 0:01 to 23:01, for years
    "America/Toronto",  # set from 23:30 to 0:30, once
    "Pacific/Apia",  # skipped a day
    "Africa/Monrovia",  # 44 minutes and 30 seconds, for long
    "Europe/Berlin",
    "America/Juneau",  # had a day twice
)

zones = (st.sampled_from(ODD_CLOCKS) | st.sampled_from(sorted(available_timezones()))).map(ZoneInfo)
moments = st.timedeltas(timedelta(0), timedelta(days=260 * 365)).map(datetime(1840, 1, 1, tzinfo=UTC).__add__)
units = st.sampled_from(UNITS)


@st.composite
def turns(draw, zone: ZoneInfo) -> datetime:
    """A moment near one at which the zone's clocks were set, where one is found; else any."""
    before = draw(moments)
    for days in range(0, 400, 10):
        after = before + timedelta(days=days)
        if after.astimezone(zone).utcoffset() != before.astimezone(zone).utcoffset():
            while after - before > timedelta(seconds=1):
                middle = before + (after - before) / 2
                same = middle.astimezone(zone).utcoffset() == before.astimezone(zone).utcoffset()
                before, after = (middle, after) if same else (before, middle)
            break
    return before + timedelta(seconds=draw(st.integers(-7200, 7200)))


@st.composite
def asked(draw):
    """A window of up to some 30 stretches of a unit of a zone, mostly around a change of its clocks."""
    zone, unit = draw(zones), draw(units)
    start = draw(turns(zone) | moments)
    longest = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 31 * DAY}[unit] * 30
    length = draw(st.timedeltas(timedelta(microseconds=1), longest))
    return Window(start, start + length), unit, zone


@settings(max_examples=400, deadline=None)
@given(asked())
def test_stretches_tile_the_window_in_any_zone(question):
    window, unit, zone = question

    found = stretches(window, unit, zone, 1000)

    assert found[0].start <= window.start < found[0].end
    assert found[-1].start < window.end <= found[-1].end
    for stretch, following in pairwise(found):
        assert stretch.start < stretch.end == following.start
    assert sum((part.end - part.start for part in (cut(one, window) for one in found)), timedelta()) == (
        window.end - window.start
    )


@settings(max_examples=300, deadline=None)
@given(asked(), st.floats(0, 1))
def test_the_stretch_of_a_moment_is_the_same_in_every_window(question, share):
    window, unit, zone = question
    every = stretches(window, unit, zone, 1000)
    later = window.start + (window.end - window.start) * share * 0.999

    fewer = stretches(Window(later, window.end), unit, zone, 1000)

    assert fewer == every[len(every) - len(fewer) :]


@settings(max_examples=300, deadline=None)
@given(asked())
def test_stretches_are_those_of_the_zones_clocks(question):
    """What they begin with is the first moment of its hour, or date; the moment before belongs to another."""
    window, unit, zone = question
    for stretch in stretches(window, unit, zone, 1000):
        first = stretch.start.astimezone(zone)
        before = (stretch.start - timedelta(seconds=1)).astimezone(zone)
        if unit == "hour":
            assert (first.minute, first.second) == (0, 0) or first.utcoffset() != before.utcoffset()
            assert stretch.end - stretch.start <= HOUR
            middle = (stretch.start + (stretch.end - stretch.start) / 2).astimezone(zone)
            assert (middle.date(), middle.hour) == (first.date(), first.hour)
        else:
            assert first.date() > before.date()
            assert _named(first.date(), unit) != _named(before.date(), unit)
            almost = (stretch.end - timedelta(microseconds=1)).astimezone(zone)
            assert _named(almost.date(), unit) == _named(first.date(), unit)


def _named(day: date, unit: str) -> object:
    if unit == "day":
        return day
    return day.isocalendar()[:2] if unit == "week" else (day.year, day.month)


@pytest.mark.parametrize(
    ("zone", "unit", "start", "end", "minutes"),
    [
        ("Europe/Berlin", "day", "2026-03-28T12:00Z", "2026-03-30T12:00Z", [24 * 60, 23 * 60, 24 * 60]),
        ("Europe/Berlin", "day", "2026-10-25T12:00Z", "2026-10-25T13:00Z", [25 * 60]),
        ("Europe/Berlin", "hour", "2026-10-25T00:00Z", "2026-10-25T02:00Z", [60, 60]),
        ("Asia/Kathmandu", "hour", "2026-06-01T00:00Z", "2026-06-01T01:00Z", [60, 60]),
        ("Asia/Kathmandu", "day", "2026-05-31T18:15Z", "2026-06-01T18:15Z", [24 * 60]),
        # From 2:00 back to 1:30: an hour of 60 minutes, and half of it again.
        ("Australia/Lord_Howe", "hour", "2026-04-04T14:00Z", "2026-04-04T16:30Z", [60, 30, 60]),
        ("Australia/Lord_Howe", "hour", "2026-04-04T15:10Z", "2026-04-04T15:20Z", [30]),
        # From 2:00 to 2:30.
        ("Australia/Lord_Howe", "hour", "2026-10-03T15:40Z", "2026-10-03T16:10Z", [30, 60]),
        ("America/Sao_Paulo", "day", "2018-11-03T12:00Z", "2018-11-05T12:00Z", [24 * 60, 23 * 60, 24 * 60]),
        # From 23:30 on the 30th to 0:30 on the 31st.
        ("America/Toronto", "day", "1919-03-31T04:31Z", "1919-03-31T05:00Z", [23 * 60 + 30]),
        # From 0:01 back to 23:01: the evening that comes again is the day's that had begun.
        ("America/St_Johns", "day", "2010-11-07T02:45Z", "2010-11-07T03:00Z", [25 * 60]),
        ("Pacific/Apia", "day", "2011-12-29T12:00Z", "2011-12-30T12:00Z", [24 * 60, 24 * 60]),
        ("Pacific/Apia", "month", "2011-12-15T12:00Z", "2011-12-16T12:00Z", [30 * 24 * 60]),
        ("UTC", "month", "2028-02-29T00:00Z", "2028-02-29T01:00Z", [29 * 24 * 60]),
        ("UTC", "week", "2026-11-22T23:59Z", "2026-11-23T00:01Z", [7 * 24 * 60, 7 * 24 * 60]),
    ],
)
def test_days_and_hours_are_as_long_as_their_clocks_have_them(zone, unit, start, end, minutes):
    window = Window(datetime.fromisoformat(start), datetime.fromisoformat(end))

    found = stretches(window, unit, ZoneInfo(zone), 10)

    assert [(one.end - one.start) / timedelta(minutes=1) for one in found] == minutes


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/New_York", "Pacific/Kiritimati", "Pacific/Niue"])
def test_the_calendars_ends_are_ends(unit, zone):
    local = ZoneInfo(zone)
    for window in (Window(FIRST, FIRST + 2 * DAY), Window(LAST - 2 * DAY, LAST), Window(LAST - HOUR, LAST)):
        found = stretches(window, unit, local, 100)
        assert found[0].start <= window.start < found[0].end
        assert found[-1].start < window.end <= found[-1].end
        for stretch, following in pairwise(found):
            assert stretch.start < stretch.end == following.start
        for stretch in found:
            assert by_clock(stretch.start, local) == stretch.start
            assert by_clock(stretch.end, local) == stretch.end


def test_more_stretches_than_anybody_asked_for_are_none():
    window = Window(FIRST, LAST)

    assert stretches(window, "hour", ZoneInfo("UTC"), 10_000) is None
    assert stretches(Window(FIRST, FIRST + 3 * DAY), "day", ZoneInfo("UTC"), 2) is None
    assert len(stretches(Window(FIRST, FIRST + 3 * DAY), "day", ZoneInfo("UTC"), 3)) == 3


any_moment = (
    st.datetimes(timezones=st.just(UTC))
    | st.timedeltas(timedelta(0), timedelta(days=40)).map(datetime(2026, 1, 25, tzinfo=UTC).__add__)
    | st.dates().map(lambda day: datetime(day.year, day.month, day.day, tzinfo=UTC))
    | st.dates(date(2026, 1, 1), date(2027, 1, 1)).map(lambda day: datetime(day.year, day.month, 1, tzinfo=UTC))
    | st.sampled_from(
        [FIRST, LAST, LAST - DAY, LAST - 40 * DAY, LAST.replace(hour=0, minute=0, second=0, microsecond=0)]
    )
)


@settings(max_examples=500, deadline=None)
@given(any_moment, any_moment)
def test_pieces_are_the_window_and_nothing_twice(one, other):
    start, end = sorted((one, other))

    found = pieces(Window(start, end))

    whole = [(_in_utc(first), _in_utc(behind)) for first, behind in (*found.months, *found.weeks, *found.days)]
    parts = sorted([*whole, *((edge.start, edge.end) for edge in found.edges)])
    assert all(first < behind for first, behind in parts)
    assert all(behind == following for (_, behind), (following, _) in pairwise(parts))
    assert (parts[0][0], parts[-1][1]) == (start, end) if parts else start == end
    assert all(day.day == 1 for span in found.months for day in span)
    assert all(day.weekday() == 0 for span in found.weeks for day in span)
    # As much as can be in whole months, of the rest in whole weeks, and of that in whole days.
    assert all(edge.end - edge.start < 2 * DAY for edge in found.edges)
    for edge in found.edges:
        assert not any(edge.start <= _in_utc(day) and _in_utc(day) + DAY <= edge.end for day in _days(edge))
    for first, behind in found.days:
        assert not (first.day == 1 and behind > first and _month_ends_by(first, behind))
        assert -first.weekday() % 7 + 7 > (behind - first).days  # no whole week


def _in_utc(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _days(edge: Window) -> list[date]:
    return [day for day in (edge.start.date(), edge.end.date()) if day != date.max]


def _month_ends_by(first: date, behind: date) -> bool:
    return (first + timedelta(days=31)).replace(day=1) <= behind if first < date(9999, 12, 1) else False


def test_a_window_in_another_zone_is_taken_to_pieces_by_utc():
    nepal = ZoneInfo("Asia/Kathmandu")

    found = pieces(Window(datetime(2026, 1, 1, tzinfo=nepal), datetime(2026, 4, 1, tzinfo=nepal)))

    assert found.months == ((date(2026, 1, 1), date(2026, 3, 1)),)
    assert found.weeks == ((date(2026, 3, 2), date(2026, 3, 30)),)
    assert found.days == ((date(2026, 3, 1), date(2026, 3, 2)), (date(2026, 3, 30), date(2026, 3, 31)))
    assert [(edge.end - edge.start) for edge in found.edges] == [timedelta(hours=5, minutes=45), timedelta(hours=18.25)]
