"""The period before a window, and an answer beside the answer of that period."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import TooManyGroupsError
from domain.usage.answers import Group, Measures, UsageAnswer
from domain.usage.calendar import stretches
from domain.usage.comparison import beside
from domain.usage.periods import period_before
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window

NEW_YORK = ZoneInfo("America/New_York")


def window(start: str, end: str, zone: str = "UTC") -> Window:
    first, behind = (datetime.fromisoformat(one).replace(tzinfo=ZoneInfo(zone)) for one in (start, end))
    return Window(first.astimezone(UTC), behind.astimezone(UTC))


@pytest.mark.parametrize(
    ("asked", "before", "zone"),
    [
        (("2026-11-01", "2026-12-01"), "2026-10-01", "UTC"),  # a month of 30 days: the month before has 31
        (("2026-03-01", "2026-04-01"), "2026-02-01", "UTC"),
        (("2026-01-01", "2027-01-01"), "2025-01-01", "UTC"),
        (("2026-02-01", "2026-05-01"), "2025-11-01", "UTC"),
        (("2026-11-02", "2026-11-09"), "2026-10-26", "UTC"),
        (("2026-11-01", "2026-12-01"), "2026-10-01", "America/New_York"),
        (("2026-11-01", "2026-11-08"), "2026-10-25", "America/New_York"),  # 169 hours: the week before has 168
        (("2026-11-08", "2026-11-15"), "2026-11-01", "America/New_York"),  # and the other way round
        (("2026-11-01T10:30", "2026-11-01T12:00"), "2026-11-01T09:00", "UTC"),
        (("2026-11-01", "2026-11-02T00:00:01"), "2026-10-30T23:59:59", "UTC"),
        (("2026-11-01", "2026-12-01T01:00"), "2026-10-01T23:00", "UTC"),
    ],
)
def test_the_period_before(asked, before, zone):
    assert period_before(window(*asked, zone), ZoneInfo(zone)) == window(before, asked[0], zone)


def test_whole_days_of_one_zone_are_none_of_another():
    november = window("2026-11-01", "2026-12-01")
    assert period_before(november, NEW_YORK) == Window(november.start - timedelta(days=30), november.start)


def test_before_the_calendar_there_is_nothing():
    for first, behind in (
        ("0001-02-01", "0001-04-01"),
        ("0001-01-02", "0001-01-20"),
        ("0001-01-01T01:00", "0001-01-02"),
    ):
        with pytest.raises(OverflowError):
            period_before(window(first, behind), ZoneInfo("UTC"))


def of(names, question: UsageQuestion, times=None) -> UsageAnswer:
    """An answer that counts 1, 2, 3 ... in its groups."""
    places = [(time, name) for time in times or [None] for name in names]
    groups = tuple(
        Group(
            keys=dict.fromkeys(question.group_by, name),
            start=time and time.start.astimezone(question.zone),
            end=time and time.end.astimezone(question.zone),
            llm_calls=Measures(total=number),
        )
        for number, (time, name) in enumerate(places, 1)
    )
    total = Group(llm_calls=Measures(total=sum(group.llm_calls.total for group in groups)))
    return UsageAnswer(groups=groups, total=total, as_of=datetime(2026, 12, 1, tzinfo=UTC))


names = st.lists(st.sampled_from(["a", "B", "é", None, "~"]), unique=True)


@given(names, names)
def test_every_group_of_either_period_is_there_once_and_in_order(now, then):
    november = window("2026-11-01", "2026-12-01")
    question = UsageQuestion(november, ("model",))
    before = UsageQuestion(period_before(november, question.zone), ("model",))

    found = beside(question, of(now, question), before, of(then, before))

    ordered = sorted({*now, *then}, key=lambda name: (name is None, name or ""))
    assert [one.group.keys["model"] for one in found] == ordered
    for one in found:
        name = one.group.keys["model"]
        assert one.group.llm_calls.total == (now.index(name) + 1 if name in now else 0)
        assert one.previous.keys == one.group.keys
        assert one.previous.llm_calls.total == (then.index(name) + 1 if name in then else 0)


@pytest.mark.parametrize(
    ("asked", "unit", "pairs", "alone"),
    [
        (("2026-03-01", "2026-04-01"), "day", 28, 3),  # February is shorter
        (("2026-04-01", "2026-05-01"), "day", 30, 0),  # March is longer: its 31st is in no group
        (("2026-11-01", "2026-11-02"), "hour", 24, 1),  # the hour from 1 to 2 comes twice
        (("2026-01-01", "2026-03-01"), "month", 2, 0),
    ],
)
def test_stretches_stand_beside_those_in_the_same_place(asked, unit, pairs, alone):
    now = window(*asked, "America/New_York")
    question = UsageQuestion(now, ("model",), unit=unit, zone=NEW_YORK)
    before = UsageQuestion(period_before(now, NEW_YORK), ("model",), unit=unit, zone=NEW_YORK)
    times, earlier = (stretches(one.window, unit, NEW_YORK, 1000) for one in (question, before))

    found = beside(question, of(["m"], question, times), before, of(["m"], before, earlier))

    assert [one.group.llm_calls.total for one in found] == list(range(1, len(times) + 1))
    beside_it = [one.previous for one in found if one.previous is not None]
    assert [one.llm_calls.total for one in beside_it] == list(range(1, pairs + 1))
    assert sum(one.previous is None for one in found) == alone


def test_times_in_which_there_was_nothing_are_zeros_beside_what_was_before():
    now = window("2026-11-02", "2026-11-04")
    question = UsageQuestion(now, ("model",), unit="day", percentiles=(50.0,))
    before = UsageQuestion(period_before(now, question.zone), ("model",), unit="day", percentiles=(50.0,))
    earlier = of(["m"], before, stretches(before.window, "day", before.zone, 9))

    found = beside(question, of([], question), before, earlier)

    assert [(one.group.llm_calls.total, one.previous.llm_calls.total) for one in found] == [(0, 1), (0, 2)]
    assert found[0].group.llm_calls.duration_ms.percentiles == {"50": None}
    assert found[0].group.start == now.start


def test_two_answers_that_are_too_many_together():
    hours = window("2026-01-01", "2027-01-01")
    question = UsageQuestion(hours, ("model",), unit="hour")
    before = UsageQuestion(period_before(hours, question.zone), ("model",), unit="hour")
    start = stretches(hours, "hour", question.zone, 9000)[:1]
    answer = of([str(number) for number in range(6)], question, start)
    earlier = of(
        [str(number) for number in range(6, 12)], before, stretches(before.window, "hour", before.zone, 9000)[:1]
    )
    with pytest.raises(TooManyGroupsError):
        beside(question, answer, before, earlier)
