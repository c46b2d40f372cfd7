"""A second worker joins and leaves: nothing is lost, and what is in flight finishes before partitions move."""

import signal

from tests.integration.streams_support import bench, now, repeats, report


async def test_second_worker_joins_and_leaves(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path) as table:
        ids = await table.publish({"seconds": 0.2} for _ in range(400))
        first = await table.worker(at_once=50, window=100)
        await first.heard("first")
        second = await table.worker(at_once=50, window=100)
        joined = await second.heard("ready")
        assert 0 < len(joined["assigned"]) < 5
        ids += await table.publish(({"seconds": 0.2} for _ in range(400)), start=400)
        moved = (await second.heard("first"))["at"] - joined["at"]
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
        first = await table.worker(revoke=1, drain=0)
        await first.heard("hanging")
        await table.outcomes(ids)
        began = now()
        second = await table.worker(revoke=1, drain=0)
        joined = await second.heard("ready")
        report(test="join while a handler hangs", seconds_until_moving=round(joined["at"] - began, 2))
        ids += await table.publish(({"seconds": 0.02} for _ in range(20)), start=100)
        found = await table.outcomes(ids)
        assert repeats(found) == 0  # all but the hanging one had finished, and were committed before they moved
        ends = [await worker.ends(signal.SIGTERM) for worker in (first, second)]
        assert ends == [0, 0]
        given_up = [(await worker.heard("end"))["cancelled"] for worker in (first, second)]
        assert sum(given_up) == 2, "the hanging one, by whom it was taken from and by whom it went to"
