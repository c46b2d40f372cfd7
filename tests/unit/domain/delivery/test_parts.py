"""Requests in parts: all of them wait, one does the work, all are done together."""

import asyncio
from datetime import timedelta

import pytest

from domain.delivery.parts import answers_of
from domain.errors import IncompleteRequestError
from schemas.cloudevents import identify
from tests.builders import NOON, a_message, a_summary_request, an_analysis_request
from tests.fakes import FakeClock
from tests.unit.domain.delivery.desk import Desk, a_part
from tests.unit.domain.delivery.setup import finishes_with, turns


async def test_one_works_on_all_records_in_the_order_of_the_parts_and_all_are_done_after_it():
    desk = Desk()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(whole):
        desk.worked.append(whole)
        begun.set()
        await go_on.wait()

    desk.work = work
    tasks = [desk.hand_in(a_part(number), offset=10 + number) for number in (3, 1)]
    await turns()
    assert not desk.worked
    tasks.append(desk.hand_in(a_part(2), offset=20))
    await begun.wait()
    await turns()
    assert not any(task.done() for task in tasks)

    go_on.set()
    await asyncio.gather(*tasks)
    (whole,) = desk.worked
    assert [record.record_id for record in whole.request.records] == ["p1", "p2", "p3"]
    assert whole.request.part is None
    assert [message.offset for message in whole.messages] == [11, 20, 13]
    assert desk.left[-1] == 11, "what stands first on the partition leaves last"
    assert desk.register.bytes_held == 0


async def test_a_request_of_one_part_does_not_wait():
    desk = Desk()
    await desk.hand_in(a_part(1, 1))
    assert len(desk.worked) == 1


async def test_parts_of_other_requests_tenants_and_operations_are_not_mixed():
    desk = Desk()
    tasks = [
        desk.hand_in(a_part(1, 2)),
        desk.hand_in(a_part(2, 2, request_id="another")),
        desk.hand_in(a_part(2, 2, tenant_id="another")),
        desk.hand_in(a_part(2, 2, make=a_summary_request, request_id="request-1")),
    ]
    await turns()
    assert not desk.worked
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert desk.register.bytes_held == 0


async def test_missing_parts_are_named_to_each_that_came():
    desk = Desk(wait_seconds=0.01, grace_seconds=0.01)
    tasks = [desk.hand_in(a_part(number, 9)) for number in (1, 4, 5)]
    errors = [await finishes_with(task) for task in tasks]
    assert all(isinstance(error, IncompleteRequestError) for error in errors)
    assert "Of the 9 parts" in errors[0].message
    assert "parts 2-3, 6-9 did not come" in errors[0].message
    assert desk.register.bytes_held == 0


async def test_a_part_waits_from_its_brokers_timestamp_but_never_less_than_the_grace():
    clock = FakeClock()
    desk = Desk(wait_seconds=600.0, grace_seconds=10.0, clock=clock)
    old = desk.hand_in(a_part(1, 2), timestamp=NOON - timedelta(seconds=9_000))
    young = desk.hand_in(a_part(1, 2, request_id="young"), timestamp=NOON - timedelta(seconds=100))
    await turns()
    (first, second) = desk.register._groups.values()
    assert (first.due, second.due) == (10.0, 500.0)
    for task in (old, young):
        task.cancel()
    await asyncio.gather(old, young, return_exceptions=True)


async def test_time_stands_still_while_no_message_is_read():
    clock = FakeClock()
    desk = Desk(wait_seconds=0.02, grace_seconds=0.02, clock=clock)
    with desk.register.reading_held():
        task = desk.hand_in(a_part(1, 2))
        await turns()
        clock.advance(1_000.0)
        assert not task.done()
        other = desk.hand_in(a_part(2, 2))
        await asyncio.gather(task, other)
    late = desk.hand_in(a_part(1, 2, request_id="late"))
    await turns()
    clock.advance(1.0)
    assert isinstance(await finishes_with(late), IncompleteRequestError)


def test_all_parts_of_a_request_have_one_result_id_and_a_whole_one_its_own():
    def answers(request):
        message = a_message(request)
        identity = identify(message.topic, message.key, message.value, message.headers)
        return identity.event_id, answers_of(request, identity).event_id

    ids = [answers(a_part(number)) for number in (1, 2, 3)]
    assert len({own for own, _ in ids}) == 3
    assert len({common for _, common in ids}) == 1
    assert answers(a_part(1, 4))[1] != ids[0][1] != answers(a_part(1, request_id="another"))[1]
    whole = an_analysis_request()
    assert answers(whole)[0] == answers(whole)[1]


PERIODS = [
    ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"),
    ("2026-05-01T03:00:00+03:00", "2026-05-31T20:00:00-04:00"),
    ("2026-04-30 23:59:00.000-00:01", "2026-06-01t00:00:00-00:00"),
]


def test_what_parts_have_in_common_is_told_by_its_moments_and_not_by_how_they_are_spelt():
    identity = identify("feedback.requests", b"k", b"{}", ())
    parts = [a_part(1, 2, period={"start": start, "end": end}) for start, end in PERIODS]
    assert len({answers_of(part, identity).event_id for part in parts}) == 1
    later = a_part(1, 2, period={"start": "2026-05-01T00:00:00+03:00", "end": "2026-06-01T00:00:00+03:00"})
    assert answers_of(later, identity).event_id != answers_of(parts[0], identity).event_id


@pytest.mark.parametrize("turned", [False, True])
async def test_parts_that_spell_their_period_in_other_offsets_are_one_request_whichever_comes_first(turned):
    desk = Desk()
    parts = [
        a_part(number, 3, period={"start": start, "end": end}) for number, (start, end) in enumerate(PERIODS, start=1)
    ]
    await asyncio.gather(*map(desk.hand_in, reversed(parts) if turned else parts))
    (whole,) = desk.worked
    assert '"period":{"start":"2026-05-01T00:00:00Z","end":"2026-06-01T00:00:00Z"}' in whole.request.to_bytes().decode()


async def test_a_period_at_an_end_of_the_calendar_has_no_time_in_utc_and_harms_nobody():
    desk = Desk()
    period = {"start": "0001-01-01T00:00:00+14:00", "end": "9999-12-31T23:59:59-14:00"}
    await asyncio.gather(*(desk.hand_in(a_part(number, 2, period=period)) for number in (1, 2)))
    assert len(desk.worked) == 1
    assert answers_of(a_part(1, 2, period=period), identify("feedback.requests", b"k", b"{}", ()))
