"""A second worker joins and leaves: nothing is lost, and what is in flight finishes before partitions move."""

import signal

from tests.integration.streams_support import bench, now, repeats, report


async def test_second_worker_joins_and_leaves(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path) as table:
        ids = await table.publish({"seconds": 0.2} for _ in range(1600))
        first = await table.worker(at_once=50, window=100)
        await first.heard("first")
        second = await table.worker(at_once=50, window=100)
        joined = await second.heard("ready")
        moved = (await second.heard("first"))["at"] - joined["at"]
        assert 0 < len(joined["assigned"]) < 5
        left = now()
        assert await second.ends(signal.SIGTERM) == 0
        leaving = now() - left
        found = await table.outcomes(ids)
        assert await first.ends(signal.SIGTERM) == 0
        report(
            test="join and leave",
            repeats=repeats(found),
            seconds_until_moving=round(moved, 2),
            seconds_to_leave=round(leaving, 2),
            done_by_second=(await second.heard("end"))["finished"],
        )
        assert repeats(found) == 0
        assert (await second.heard("end"))["finished"] > 0


async def test_partitions_move_although_a_handler_hangs(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path, partitions=2) as table:
        ids = await table.publish({"seconds": 0.02} for _ in range(100))
        await table.publish([{"id": "stuck", "do": "hang"}])
        first = await table.worker()
        await first.heard("hanging")
        began = now()
        second = await table.worker()
        joined = await second.heard("ready")
        report(test="join while a handler hangs", seconds_until_moving=round(joined["at"] - began, 2))
        assert joined["at"] - began < 12  # start-up, and at most revoke_seconds and a few for what is cancelled
        found = await table.outcomes([*ids])
        assert repeats(found) <= len(ids)
