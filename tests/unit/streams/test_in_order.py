"""The engine, with messages made by hand: what it takes, and what it releases."""

from tests.unit.streams.support import a_message, turns


async def test_only_the_finished_prefix_is_released(rig):
    it = rig()
    it.put(5, 6, 8)
    await turns()
    await it.finish(6, 8)
    assert it.released is None
    assert it.status.in_flight == 1
    assert it.status.oldest_unfinished_seconds >= 0
    await it.finish(5)
    assert it.released == 9
    assert it.status.oldest_unfinished_seconds is None


async def test_what_shares_an_outcome_is_released_together(rig):
    it = rig()
    it.put(1, 2, 3, 4)
    await turns()
    await it.finish(1, 3, reach=3)
    assert it.released is None
    await it.finish(2)
    assert it.released == 4


async def test_window_counts_what_is_not_released(rig):
    it = rig(window=3)
    it.put(0, 1, 2, 3)
    await turns()
    await it.finish(1, 2)
    assert set(it.handler.running) == {0, 1, 2}
    await it.finish(0)
    assert 3 in it.handler.running


async def test_closed_gate_pulls_nothing_from_any_topic(rig):
    it = rig()
    it.handler.open.clear()
    it.put(0)
    it.other.put(a_message(7, topic="u"))
    await turns()
    assert not it.handler.running
    assert (len(it.source.messages), len(it.other.messages)) == (1, 1)
    it.handler.open.set()
    await turns()
    assert set(it.handler.running) == {0, 7}


async def test_what_a_rebalance_takes_away_before_the_gate_opens_is_not_missed(rig):
    it = rig(window=1)
    it.handler.open.clear()
    it.put(0)
    await turns()
    it.source.messages.clear()
    it.handler.open.set()
    await turns()
    it.put(1)
    await turns()
    assert set(it.handler.running) == {1}


async def test_an_idle_topic_takes_nothing_of_the_window(rig):
    it = rig(window=1)
    it.put(0)
    await turns()
    assert 0 in it.handler.running


async def test_an_impossible_timestamp_stops_nobody(rig):
    it = rig()
    it.put(0, timestamp=1.7e12)
    it.put(1, timestamp=-0.001)
    await turns()
    assert set(it.handler.running) == {0, 1}
    assert not it.engine.failed.done()


async def test_old_epochs_and_repeated_offsets_are_dropped_and_take_no_place(rig):
    it = rig(window=2)
    it.put(3, epoch=0)
    it.put(4, 4, 3)
    it.put(5)
    await turns()
    assert set(it.handler.running) == {4, 5}


async def test_forgotten_partitions_begin_anew_and_late_ends_change_nothing(rig):
    it = rig(window=2)
    it.put(0, 1)
    await turns()
    late = dict(it.handler.running)
    it.engine.forget()
    it.epoch = 2
    it.put(0, 1, epoch=2)
    await turns()
    late[0].set_result(None)
    late[1].set_result(None)
    await turns()
    assert it.released is None
    await it.finish(0, 1)
    assert it.released == 2


async def test_reading_is_held_for_as_long_as_there_is_no_room_and_not_while_there_is_nothing_to_read(rig):
    it = rig(window=1)
    await turns()
    assert not it.handler.held
    it.put(0, 1)
    await turns()
    assert it.handler.held
    await it.finish(0)
    assert 1 in it.handler.running
    assert not it.handler.held
