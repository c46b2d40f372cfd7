"""Which time is meant where none is named, and which time a window is held against."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from domain.usage.calendar import by_clock, stretches
from domain.usage.report import Window

DEFAULT_DAYS = 30


def up_to(now: datetime) -> Window:
    """The time that is meant where none is named: the DEFAULT_DAYS times 24 hours before `now`."""
    return Window(now - timedelta(days=DEFAULT_DAYS), now)


def period_before(window: Window, zone: ZoneInfo) -> Window:
    """The period of equal length that ends where the window begins.

    Of whole calendar months of the zone it is as many months; of whole days as many days, whatever their hours; of
    anything else as many seconds.

    Raises:
        OverflowError: it would begin before the calendar does.
    """
    first, behind = _day_that_begins_at(window.start, zone), _day_that_begins_at(window.end, zone)
    if first is None or behind is None:
        return Window(window.start - (window.end - window.start), window.start)
    if first.day == behind.day == 1:
        months = (behind.year - first.year) * 12 + behind.month - first.month
        return Window(_beginning(_months_before(first, months), zone), window.start)
    return Window(_beginning(first - (behind - first), zone), window.start)


def _day_that_begins_at(moment: datetime, zone: ZoneInfo) -> date | None:
    day = by_clock(moment, zone).date()
    return day if _beginning(day, zone) == moment else None


def _beginning(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day; it need not be midnight."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone).astimezone(UTC)
    [found] = stretches(Window(noon, noon + timedelta(seconds=1)), "day", zone, 1) or [Window(noon, noon)]
    return found.start


def _months_before(first: date, months: int) -> date:
    number = first.year * 12 + first.month - 1 - months
    if number < 12:
        raise OverflowError
    return date(number // 12, number % 12 + 1, 1)
